// Where one writes, a comment or a message: a field that grows, what is left of its room, what went wrong. Enter sends.

import { isComposing, note, toast } from "./dom.js";
import { keep, kept } from "../core/storage.js";
import { count, say } from "../core/words.js";

const LEFT_SHOWN_FROM = 50;

/** A new name for what is being sent: the server takes it once. */
export const newClientId = () => crypto.randomUUID?.() ?? String(Math.random()).slice(2);

/**
 * Wire a form of a textarea, a button, `.error` and `.left`; its data say how much it takes. `send(text)`; `wait`: the
 * text that says how long to wait; `draft()`: under which key the text is kept until it is sent, "" for not at all;
 * `escape()`: returns whether there was something to leave; `typing(isWriting)`.
 */
export function setUpComposer(form, { send, wait, draft, escape = () => false, typing = () => {} }) {
  const [field, button, problem, left] = ["textarea", "[type=submit]", ".error", ".left"].map((part) => form.querySelector(part));
  const limit = { signs: Number(form.dataset.max), bytes: Number(form.dataset.maxBytes) };
  let waitTimer;
  let waitUntil = 0;

  function complain(text) {
    clearInterval(waitTimer);
    if (text && form.hidden) toast(text);
    note(problem, text);
    field.toggleAttribute("aria-invalid", Boolean(text));
  }

  /** Say how long to wait, second by second, and keep the button off until then. */
  function waitFor(seconds) {
    waitUntil = Date.now() + seconds * 1_000;
    const tick = () => {
      const rest = Math.ceil((waitUntil - Date.now()) / 1_000);
      if (rest > 0) note(problem, say(wait, { n: rest }));
      else complain("");
      measure();
    };
    clearInterval(waitTimer);
    tick();
    waitTimer = setInterval(tick, 1_000);
  }

  function measure() {
    if (draft()) keep(draft(), field.value);
    const text = field.value.trim();
    const rest = limit.signs - [...text].length;
    const tooLarge = new TextEncoder().encode(text).length > limit.bytes;
    left.classList.toggle("over", rest < 0 || tooLarge);
    if (rest < 0) note(left, count("over", -rest));
    else if (tooLarge) note(left, say("too_large"));
    else note(left, rest < LEFT_SHOWN_FROM ? count("left", rest) : "");
    button.setAttribute("aria-disabled", String(!text || rest < 0 || tooLarge || waitUntil > Date.now()));
    if (!CSS.supports("field-sizing", "content")) {
      field.style.blockSize = "auto";
      field.style.blockSize = `${field.scrollHeight + 2}px`;
    }
  }
  field.addEventListener("input", () => {
    if (waitUntil <= Date.now()) complain("");
    measure();
    typing(Boolean(field.value.trim()));
  });
  field.addEventListener("blur", () => typing(false));
  field.addEventListener("keydown", (event) => {
    // Enter picks a word there, Escape drops it.
    if (isComposing(event)) return event.stopPropagation();
    if (event.key === "Escape" && escape()) event.stopPropagation();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    form.requestSubmit();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    measure();
    if (button.getAttribute("aria-disabled") === "true") return;
    const text = field.value.trim();
    field.value = "";
    complain("");
    measure();
    typing(false);
    send(text);
  });

  /** Begin anew, with what was written here and not sent. */
  function begin() {
    waitUntil = 0;
    field.value = draft() ? kept(draft()) : "";
    complain("");
    measure();
  }

  begin();
  return {
    field,
    begin,
    complain,
    /** A text that was refused goes back into the field with the reason. Returns false where another one is there. */
    takesBack(error, text) {
      if (field.value.trim()) return false;
      field.value = text;
      measure();
      if (error.status === 429) waitFor(error.retryAfter);
      else complain(error.advice);
      return true;
    },
  };
}
