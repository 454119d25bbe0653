// Where one writes, a comment or a message: a field that grows, what is left of its room, what went wrong. Enter sends.

import { recall, remember } from "../core/storage.js";
import { plural, translate } from "../core/words.js";
import { icon, isComposing, note, toast } from "./dom.js";

const LEFT_SHOWN_FROM = 50;

export class Composer {
  #button;
  #problem;
  #left;
  #limit;
  #waitTimer;
  #waitUntil = 0;

  /**
   * Wire a form of a textarea, a button, `.error` and `.left`; its data say how much it takes. `send(text)`; `wait`: the
   * key of the text that asks to wait; `draft()`: under which key the text is kept until it is sent, "" for not at all;
   * `escape()`: returns whether there was something to leave; `typing(isWriting)`; `emoji()`: those of the channel, the
   * address of each by its code.
   */
  constructor(form, { send, wait, draft, escape = () => false, typing = () => {}, emoji = () => ({}) }) {
    const part = (selector) => form.querySelector(selector);
    Object.assign(this, { form, field: part("textarea"), send, wait, draft, escape, typing, emoji });
    [this.#button, this.#problem, this.#left] = [part("[type=submit]"), part(".error"), part(".left")];
    this.#limit = { signs: Number(form.dataset.max), bytes: Number(form.dataset.maxBytes) };
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("blur", () => typing(false));
    this.field.addEventListener("keydown", (event) => this.#pressed(event));
    form.addEventListener("submit", (event) => this.#submit(event));
    this.#offerEmoji();
    this.begin();
  }

  /** Begin anew, with what was written here and not sent. */
  begin() {
    this.#waitUntil = 0;
    this.field.value = this.draft() ? recall(this.draft()) : "";
    this.complain("");
    this.#measure();
  }

  /** Put a text in the place of what is written. */
  write(text) {
    this.field.value = text;
    this.complain("");
    this.#measure();
  }

  complain(text) {
    clearInterval(this.#waitTimer);
    if (text && this.form.hidden) toast(text);
    note(this.#problem, text);
    this.field.toggleAttribute("aria-invalid", Boolean(text));
  }

  /** Put a text that was refused back into the field with the reason. Returns false where another one is there. */
  takesBack(error, text) {
    const there = this.field.value.trim();
    if (there && there !== text) return false;
    this.field.value = text;
    this.#measure();
    if (error.status === 429) this.#waitFor(error.retryAfter);
    else this.complain(error.advice);
    return true;
  }

  /** Put a text where the cursor is. */
  #insert(text) {
    const { field } = this;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #offerEmoji() {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button quiet round emoji-button", title: translate("emoji"), ariaLabel: translate("emoji"), ariaHasPopup: "dialog", ariaExpanded: "false" });
    button.append(icon("laugh"));
    this.#button.before(button);
    // A press outside closes the picker: this one must not open it again.
    let wasOpen = false;
    button.addEventListener("pointerdown", () => { wasOpen = button.ariaExpanded === "true"; });
    button.addEventListener("click", () => {
      if (!wasOpen) void this.#openEmoji(button);
      wasOpen = false;
    });
  }

  async #openEmoji(button) {
    try {
      const { loadedPicker } = await import("./emoji.js");
      (await loadedPicker()).toggle(button, { insert: (text) => this.#insert(text), own: this.emoji() });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // no connection
      this.complain(translate("unreachable"));
    }
  }

  #typed() {
    if (this.#waitUntil <= Date.now()) this.complain("");
    this.#measure();
    this.typing(Boolean(this.field.value.trim()));
  }

  #pressed(event) {
    // Enter picks a word there, Escape drops it.
    if (isComposing(event)) return event.stopPropagation();
    if (event.key === "Escape" && this.escape()) event.stopPropagation();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    this.#measure();
    if (this.#button.getAttribute("aria-disabled") === "true") return;
    const text = this.field.value.trim();
    this.field.value = "";
    this.complain("");
    this.#measure();
    this.typing(false);
    this.send(text);
  }

  /** Count down how long to wait, second by second, and keep the button off until then. */
  #waitFor(seconds) {
    this.#waitUntil = Date.now() + seconds * 1_000;
    const tick = () => {
      const rest = Math.ceil((this.#waitUntil - Date.now()) / 1_000);
      if (rest > 0) note(this.#problem, translate(this.wait, { n: rest }));
      else this.complain("");
      this.#measure();
    };
    clearInterval(this.#waitTimer);
    tick();
    this.#waitTimer = setInterval(tick, 1_000);
  }

  #measure() {
    const { field } = this;
    if (this.draft()) remember(this.draft(), field.value);
    const text = field.value.trim();
    const rest = this.#limit.signs - [...text].length;
    const isTooLarge = new TextEncoder().encode(text).length > this.#limit.bytes;
    this.#left.classList.toggle("over", rest < 0 || isTooLarge);
    if (rest < 0) note(this.#left, plural("over", -rest));
    else if (isTooLarge) note(this.#left, translate("too_large"));
    else note(this.#left, rest < LEFT_SHOWN_FROM ? plural("left", rest) : "");
    this.#button.setAttribute("aria-disabled", String(!text || rest < 0 || isTooLarge || this.#waitUntil > Date.now()));
    if (!CSS.supports("field-sizing", "content")) {
      field.style.blockSize = "auto";
      field.style.blockSize = `${field.scrollHeight + 2}px`;
    }
  }
}
