// What one can do with a comment, in words: below it where there is a mouse, at the foot of a phone. Never over its text.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, placeAt, toast } from "../parts/dom.js";
import { clock } from "../parts/format.js";
import { mayModerate } from "../parts/rights.js";
import { actsWith } from "./comment-item.js";

const KEYS = { d: "delete", x: "time_out", b: "ban", e: "moderate" };

export class CommentMenu {
  #menu = byId("comment-menu");
  #dialog = byId("delete-dialog");
  #comment = null;
  #toDelete = null;
  #tools = null;

  /** `acts`: what to do with a comment, by name, besides what is done here; `complain(text)`: what went wrong. */
  constructor({ store, acts, complain }) {
    Object.assign(this, { store, complain, path: `/videos/${store.state.video.id}/comments` });
    this.acts = {
      ...acts,
      copy: ({ body }) => void this.#copy(body),
      pin: ({ id }) => void this.#act(() => call("PUT", `${this.path}/${id}/pin`)),
      versions: ({ id }) => void this.#act(() => this.#showVersions(id)),
      // A moderator can take it back.
      delete: (comment) => (mayModerate(this.store.state, "delete", comment) ? void this.#moderate("delete", comment) : this.#askToDelete(comment)),
      ...Object.fromEntries(["time_out", "ban", "moderate"].map((act) => [act, (comment) => void this.#moderate(act, comment)])),
    };
    this.#menu.addEventListener("click", (event) => {
      const act = event.target.closest("[data-do]")?.dataset.do;
      if (!act) return;
      this.#menu.hidePopover();
      this.do(act, this.#comment);
    });
    this.#menu.addEventListener("keydown", (event) => this.#pressed(event));
    byId("delete-yes").addEventListener("click", () => this.#delete());
  }

  /** What is deleted cannot be acted on. */
  render({ gone }) {
    if (this.isOpen && gone.has(this.#comment.id)) this.#menu.hidePopover();
    if (this.#dialog.open && gone.has(this.#toDelete)) this.#dialog.close();
  }

  get isOpen() {
    return this.#menu.matches(":popover-open");
  }

  do(act, comment) {
    if (comment) this.acts[act](comment);
  }

  /** Moderators have a key for each act on the comment that has the focus. Return whether it is one. */
  press({ key, ctrlKey, metaKey, altKey }, comment) {
    const act = ctrlKey || metaKey || altKey ? undefined : KEYS[key];
    if (!act || !comment || !mayModerate(this.store.state, act, comment)) return false;
    void this.#moderate(act, comment);
    return true;
  }

  async #moderate(act, comment) {
    const { store, complain } = this;
    this.#tools ??= import("../moderation/tools.js").then(({ loadedTools }) => loadedTools({ store }));
    try {
      await (await this.#tools).do(act, comment, complain);
    } catch {
      // Not loaded: the next press tries again.
      this.#tools = null;
      complain(translate("unreachable"));
    }
  }

  /** Open it for the comment of an item, which has so many answers. */
  open(comment, item, answers) {
    if (!comment) return;
    this.#comment = comment;
    const may = actsWith(comment, answers, this.store.state);
    for (const button of this.#menu.querySelectorAll("[data-do]")) button.hidden = !may[button.dataset.do];
    byId("comment-menu-name").textContent = comment.author.name;
    byId("comment-menu-body").textContent = comment.body;
    this.#menu.showPopover();
    placeAt(item, this.#menu);
    this.#menu.querySelector("[data-do]:not([hidden])")?.focus();
  }

  #pressed(event) {
    const buttons = [...this.#menu.querySelectorAll("[data-do]:not([hidden])")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    buttons.at(to % buttons.length).focus();
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast(translate("comment_copied"));
    } catch {
      toast(translate("comment_not_copied"));
    }
  }

  async #showVersions(id) {
    const { items } = await call("GET", `${this.path}/${id}/versions`);
    byId("versions").replaceChildren(...items.map(({ body, at_ms: atMs }) => {
      const [item, time, text] = ["li", "time", "p"].map((tag) => document.createElement(tag));
      time.dateTime = new Date(atMs).toISOString();
      time.textContent = clock(atMs);
      text.textContent = body;
      item.append(time, text);
      return item;
    }));
    byId("versions-dialog").showModal();
  }

  #askToDelete({ id, body }) {
    this.#toDelete = id;
    byId("delete-body").textContent = body;
    this.#dialog.showModal();
  }

  #delete() {
    this.#dialog.close();
    const id = this.#toDelete;
    void this.#act(async () => {
      await call("DELETE", `${this.path}/${id}`);
      this.store.dispatch("local_deleted", { id });
    });
  }

  async #act(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.complain(error.advice);
    }
  }
}
