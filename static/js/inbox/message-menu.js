// What one can do with a message, in words: below it where there is a mouse, at the foot of a phone. Never over its text.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, placeAt, toast } from "../parts/dom.js";
import { clock } from "../parts/format.js";
import { serverNow } from "../parts/page.js";

const EDIT_MS = 300_000;

/** Whether the viewer may still edit a message. The server has the last word (messaging/acts.py). */
export const mayEdit = ({ author, at_ms: atMs }, viewer) => author.id === viewer?.id && serverNow() - atMs < EDIT_MS;

export class MessageMenu {
  #menu = byId("message-menu");
  #dialog = byId("delete-message-dialog");
  #message = null;

  /** `edit(message)`: have an own message say something else. */
  constructor({ store, edit }) {
    this.store = store;
    const acts = {
      copy: () => this.#copy(),
      edit: () => edit(this.#message),
      versions: () => this.#act(() => this.#showVersions()),
      delete: () => this.#askToDelete(),
    };
    this.#menu.addEventListener("click", (event) => {
      const act = event.target.closest("[data-do]")?.dataset.do;
      if (!act) return;
      this.#menu.hidePopover();
      void acts[act]();
    });
    this.#menu.addEventListener("keydown", (event) => this.#pressed(event));
    byId("delete-message-yes").addEventListener("click", () => {
      this.#dialog.close();
      void this.#act(() => this.#delete());
    });
  }

  /** Open it for a message, beside what shows it. */
  open(message, element) {
    this.#message = message;
    const isMine = message.author.id === this.store.state.viewer?.id;
    const may = { copy: true, edit: mayEdit(message, this.store.state.viewer), versions: message.edited_at_ms, delete: isMine };
    for (const button of this.#menu.querySelectorAll("[data-do]")) button.hidden = !may[button.dataset.do];
    byId("message-menu-name").textContent = message.author.name;
    byId("message-menu-body").textContent = message.body;
    this.#menu.showPopover();
    placeAt(element, this.#menu);
    this.#menu.querySelector("[data-do]:not([hidden])").focus();
  }

  get #path() {
    return `/conversations/${this.#message.conversation_id}/messages/${this.#message.id}`;
  }

  #pressed(event) {
    const buttons = [...this.#menu.querySelectorAll("[data-do]:not([hidden])")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    buttons.at(to % buttons.length).focus();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#message.body);
      toast(translate("comment_copied"));
    } catch {
      toast(translate("comment_not_copied"));
    }
  }

  async #showVersions() {
    const { items } = await call("GET", `${this.#path}/versions`);
    byId("said-before").replaceChildren(...items.map(({ body, at_ms: atMs }) => {
      const [item, time, text] = ["li", "time", "p"].map((tag) => document.createElement(tag));
      time.dateTime = new Date(atMs).toISOString();
      time.textContent = clock(atMs);
      text.textContent = body;
      text.dir = "auto";
      item.append(time, text);
      return item;
    }));
    byId("said-before-dialog").showModal();
  }

  #askToDelete() {
    byId("delete-message-body").textContent = this.#message.body;
    this.#dialog.showModal();
  }

  async #delete() {
    const { id, conversation_id: conversationId } = this.#message;
    await call("DELETE", this.#path);
    this.store.dispatch("local_deleted", { conversationId, id });
  }

  async #act(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.advice);
    }
  }
}
