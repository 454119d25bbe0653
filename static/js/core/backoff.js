// How long to wait before the next try: up to twice as long after each failure, and at random, so that many browsers that
// lost the same server do not come back in one instant. Touches neither document nor window.

export class Backoff {
  #failures = 0;

  /** `firstMs`: the most that the first wait takes, `maxMs`: any wait. `least`: the share of it that is always waited. */
  constructor({ firstMs, maxMs, least = 0, random = Math.random }) {
    Object.assign(this, { firstMs, maxMs, least, random });
  }

  /** Failures since the last success. */
  get failures() {
    return this.#failures;
  }

  /** Count a failure. Returns how many milliseconds to wait. */
  next() {
    const ceilingMs = Math.min(this.maxMs, this.firstMs * 2 ** this.#failures);
    this.#failures += 1;
    return ceilingMs * (this.least + (1 - this.least) * this.random());
  }

  reset() {
    this.#failures = 0;
  }
}
