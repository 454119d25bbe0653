// The state of the connection as the viewer reads it. A break shows after a while only: most are over by then.

import { translate } from "../core/words.js";
import { byId } from "../parts/dom.js";

const QUIET_MS = 2_000;
/** What shows at once. */
const FINAL = new Set(["bye", "refused"]);

export class ConnectionState {
  #element = byId("line-state");
  #text = byId("line-text");
  #timer;

  /** connecting, catching, live, lost, refused with `{code, seconds}`, or bye: the video is over for this viewer. */
  show(state, refusal = {}) {
    this.#element.dataset.state = state;
    clearTimeout(this.#timer);
    if (state === "live") {
      delete this.#element.dataset.shown;
      this.#text.textContent = "";
      return;
    }
    const write = () => {
      this.#element.dataset.shown = "";
      this.#text.textContent = textOf(state, refusal);
    };
    if ("shown" in this.#element.dataset || FINAL.has(state)) write();
    else this.#timer = setTimeout(write, QUIET_MS);
  }

  get isLive() {
    return this.#element.dataset.state === "live";
  }
}

function textOf(state, { code, seconds }) {
  if (state === "refused") return translate(code, { n: seconds });
  return translate(state === "lost" && !navigator.onLine ? "offline" : state);
}
