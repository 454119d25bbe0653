// The form that asks viewers: a question and its options. The poll that they see can be closed here, or taken away.

import { translate } from "../core/words.js";
import { byId, copyOf } from "../parts/dom.js";
import { serverNow } from "../parts/page.js";
import { isOpen } from "./state.js";

const OPTIONS_MIN = 2;
const OPTIONS_MAX = 6;

export class PollForm {
  #form = byId("poll-form");
  #poll = null;

  /** `send(method, path, body, done)`: do it, and say so; `fail(text)`: say what is wrong. */
  constructor({ send, fail, done }) {
    Object.assign(this, { send, fail, done });
    byId("poll-add").addEventListener("click", () => this.#addOption().focus());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#open();
    });
    byId("poll-close").addEventListener("click", () => void this.send("POST", `/polls/${this.#poll.id}/close`, undefined, "poll_closed"));
    byId("poll-withdraw").addEventListener("click", () => void this.send("DELETE", `/polls/${this.#poll.id}`, undefined, "poll_withdrawn"));
    this.#clear();
  }

  render(poll, video) {
    this.#poll = poll;
    const open = Boolean(poll) && isOpen(poll, video, serverNow());
    byId("poll-now").hidden = !poll;
    byId("poll-now-question").textContent = poll?.question ?? "";
    byId("poll-close").hidden = !open;
    this.#form.hidden = open;
  }

  get #options() {
    return [...byId("poll-options").querySelectorAll("input")];
  }

  #addOption() {
    const field = copyOf("poll-field-template");
    byId("poll-options").append(field);
    const number = this.#options.length;
    const input = field.querySelector("input");
    input.placeholder = translate("option", { n: number });
    input.setAttribute("aria-label", input.placeholder);
    byId("poll-add").hidden = number >= OPTIONS_MAX;
    return input;
  }

  #clear() {
    this.#form.reset();
    byId("poll-options").replaceChildren();
    for (let number = 0; number < OPTIONS_MIN; number += 1) this.#addOption();
  }

  async #open() {
    const { question, seconds, accounts } = this.#form.elements;
    const options = this.#options.map((input) => input.value.trim()).filter(Boolean);
    if (!question.value.trim() || options.length < OPTIONS_MIN) return this.fail(translate("poll_incomplete"));
    const asked = { question: question.value, options, seconds: Number(seconds.value) || null, is_for_accounts: accounts.checked };
    if (await this.send("POST", "/polls", asked, "poll_opened")) {
      this.#clear();
      this.done();
    }
  }
}
