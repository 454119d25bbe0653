// Events with the picture: each waits until the frame of its moment is shown, so that no comment gives a goal away. Their
// order stays, and what waits is bounded. Touches neither document nor window.

const LOOK_MS = 80;
const WAITING_MAX = 2_000;
/** By the clock, wherever the picture is: what waits comes before it. */
const AT_ONCE = new Set(["raid"]);

export class InStep {
  #waiting = [];
  #timer = null;

  /** `shownAtMs()`: when the frame that is shown was taken, null when unknown or where nothing is to wait; `deliver(name, data)`. */
  constructor({ shownAtMs, deliver }) {
    Object.assign(this, { shownAtMs, deliver });
  }

  take(name, data) {
    // The whole state of now: what waits is part of it.
    if (name === "reset") this.#waiting = [];
    if (AT_ONCE.has(name)) this.#deliver(() => true);
    if (name === "reset" || (!this.#waiting.length && (AT_ONCE.has(name) || !this.#isEarly(data)))) {
      this.deliver(name, data);
      return;
    }
    this.#waiting.push([name, data]);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  #look() {
    this.#deliver((data) => this.#waiting.length > WAITING_MAX || !this.#isEarly(data));
    if (this.#waiting.length) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Deliver what waits, as far as `isDue(data)`. */
  #deliver(isDue) {
    while (this.#waiting.length && isDue(this.#waiting[0][1])) this.deliver(...this.#waiting.shift());
  }

  #isEarly(data) {
    const shownAtMs = this.shownAtMs();
    return shownAtMs !== null && data.at_ms > shownAtMs;
  }
}
