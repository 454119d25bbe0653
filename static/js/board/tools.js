// What the broadcaster and moderators put beside the picture: a button at the head of the comments, and a dialog.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "../parts/dom.js";
import { serverNow } from "../parts/page.js";
import { isOpen } from "./state.js";

const OPTIONS_MIN = 2;
const OPTIONS_MAX = 6;

export class Tools {
  #dialog = byId("board-dialog");
  #form = byId("poll-form");
  #board = null;

  constructor({ store }) {
    this.store = store;
    const button = byId("board-tools-template").content.firstElementChild.cloneNode(true);
    document.querySelector(".comments-head").append(button);
    button.addEventListener("click", () => {
      this.#draw();
      this.#dialog.showModal();
    });
    this.#dialog.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
    byId("poll-add").addEventListener("click", () => this.#addOption().focus());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#open();
    });
    this.#form.addEventListener("input", () => note(byId("poll-error"), ""));
    byId("poll-close").addEventListener("click", () => void this.#act("POST", "/close", "poll_closed"));
    byId("poll-withdraw").addEventListener("click", () => void this.#act("DELETE", "", "poll_withdrawn"));
    this.#clear();
  }

  render(board) {
    this.#board = board;
    if (this.#dialog.open) this.#draw();
  }

  get #path() {
    return `/videos/${this.store.state.video.id}/polls`;
  }

  #draw() {
    const { video } = this.store.state;
    const poll = this.#board?.poll;
    const open = Boolean(poll) && isOpen(poll, video, serverNow());
    byId("poll-now").hidden = !poll;
    byId("poll-now-question").textContent = poll?.question ?? "";
    byId("poll-close").hidden = !open;
    this.#form.hidden = open || video.status === "ended";
    byId("board-ended").hidden = video.status !== "ended";
  }

  get #options() {
    return [...byId("poll-options").querySelectorAll("input")];
  }

  #addOption() {
    const field = byId("poll-field-template").content.firstElementChild.cloneNode(true);
    byId("poll-options").append(field);
    const number = this.#options.length;
    const input = field.querySelector("input");
    input.setAttribute("aria-label", translate("option", { n: number }));
    input.placeholder = translate("option", { n: number });
    byId("poll-add").hidden = number >= OPTIONS_MAX;
    return input;
  }

  #clear() {
    this.#form.reset();
    byId("poll-options").replaceChildren();
    for (let number = 0; number < OPTIONS_MIN; number += 1) this.#addOption();
    note(byId("poll-error"), "");
  }

  async #open() {
    const { question, seconds, accounts } = this.#form.elements;
    const options = this.#options.map((input) => input.value.trim()).filter(Boolean);
    if (!question.value.trim() || options.length < OPTIONS_MIN) return note(byId("poll-error"), translate("poll_incomplete"));
    const asked = { question: question.value, options, seconds: Number(seconds.value) || null, is_for_accounts: accounts.checked };
    if (await this.#send("POST", this.#path, asked, "poll_opened")) {
      this.#clear();
      this.#dialog.close();
    }
  }

  async #act(method, what, done) {
    await this.#send(method, `${this.#path}/${this.#board.poll.id}${what}`, undefined, done);
  }

  /** Return whether it was done; what goes wrong is written under the form. */
  async #send(method, path, body, done) {
    const buttons = [...this.#dialog.querySelectorAll("button:not([data-close])")];
    for (const button of buttons) button.disabled = true;
    try {
      await call(method, path, body);
      note(byId("poll-error"), "");
      toast(translate(done));
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(byId("poll-error"), error.status === 409 || error.status === 422 ? error.detail : error.advice);
      return false;
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }
}
