// Events with the picture: each waits until the frame of its moment is shown, so that no comment gives a goal away. Their
// order stays, and what waits is bounded. Touches neither document nor window.

const LOOK_MS = 80;
const WAITING_MAX = 2_000;

export class InStep {
  #waiting = [];
  #timer = null;

  /** `isWanted()`; `shownAtMs()`: when the frame that is shown was taken, null when unknown; `deliver(name, data)`. */
  constructor({ isWanted, shownAtMs, deliver }) {
    Object.assign(this, { isWanted, shownAtMs, deliver });
  }

  take(name, data) {
    // The whole state of now: what waits is part of it.
    if (name === "reset") this.#waiting = [];
    if (name === "reset" || (!this.#waiting.length && !this.#isEarly(data))) {
      this.deliver(name, data);
      return;
    }
    this.#waiting.push([name, data]);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  #look() {
    while (this.#waiting.length && (this.#waiting.length > WAITING_MAX || !this.#isEarly(this.#waiting[0][1]))) {
      this.deliver(...this.#waiting.shift());
    }
    if (this.#waiting.length) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #isEarly(data) {
    const shownAtMs = this.isWanted() ? this.shownAtMs() : null;
    return shownAtMs !== null && data.at_ms > shownAtMs;
  }
}
