// "Ana is typing…": what others do, shown until it expires by itself, and what we do, reported now and then.

import { ApiError, call } from "../core/api.js";
import { isolated } from "./dom.js";
import { graphemes } from "./format.js";
import { translate } from "../core/words.js";

const REPORT_EVERY_MS = 2_000;
const NAMED_MAX = 2;
const NAME_SIGNS_MAX = 18;

/** A name that leaves room for what its owner does. */
function short(name) {
  const signs = graphemes(name);
  return signs.length > NAME_SIGNS_MAX ? `${signs.slice(0, NAME_SIGNS_MAX - 1).join("").trim()}…` : name;
}

/** The line that names who types. */
export class TypingLine {
  #element;
  #typists = new Map();
  #timer;

  constructor(element) {
    this.#element = element;
  }

  /** An event has come. `mine`: the viewer's own id, whose typing in another tab is no news. */
  heard({ viewer, is_typing: is, expires_ms: expiresMs }, mine) {
    if (viewer.id === mine) return;
    this.#typists.delete(viewer.id);
    if (is) this.#typists.set(viewer.id, { name: viewer.name, until: performance.now() + expiresMs });
    this.#show();
  }

  /** Somebody has written, or has gone. */
  silence(id) {
    if (this.#typists.delete(id)) this.#show();
  }

  clear() {
    this.#typists.clear();
    this.#show();
  }

  #show() {
    clearTimeout(this.#timer);
    const now = performance.now();
    for (const [id, { until }] of this.#typists) if (until <= now) this.#typists.delete(id);
    const typists = [...this.#typists.values()];
    const names = typists.map(({ name }) => isolated(short(name)));
    const text = !names.length ? ""
      : names.length > NAMED_MAX ? translate("typing_many")
        : names.length > 1 ? translate("typing_two", { a: names[0], b: names[1] }) : translate("typing", { name: names[0] });
    if (this.#element.textContent !== text) this.#element.textContent = text;
    this.#element.classList.toggle("shown", Boolean(text));
    if (text) this.#timer = setTimeout(() => this.#show(), Math.min(...typists.map(({ until }) => until)) - now + 1);
  }
}

/** Report that the viewer types. `path()`: of the call, "" for nobody to report to. Returns `typing(isWriting)`. */
export function reportTyping(path) {
  let sentAt = -Infinity;
  let sentTo = "";
  let before = Promise.resolve();
  async function post(to, isTyping) {
    try {
      await call("POST", to, { is_typing: isTyping }, { quietly: true });
    } catch (error) {
      // Nobody misses it.
      if (!(error instanceof ApiError)) throw error;
    }
  }
  // One after the other: a "typing" that overtook its "stopped" would stand until it expires.
  const send = (to, isTyping) => { before = before.then(() => post(to, isTyping)); };
  return (isWriting) => {
    const to = path();
    if (sentTo && (!isWriting || to !== sentTo)) {
      send(sentTo, false);
      sentTo = "";
      sentAt = -Infinity;
    }
    if (!isWriting || !to || performance.now() - sentAt < REPORT_EVERY_MS) return;
    sentAt = performance.now();
    sentTo = to;
    send(to, true);
  };
}
