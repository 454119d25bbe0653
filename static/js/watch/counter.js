// A number on the page that counts up to its value and goes down at once. It never becomes narrower.

import { reducedMotion } from "../parts/dom.js";
import { compact } from "../parts/format.js";

const COUNT_UP_MS = 300;

export class Counter {
  #element;
  #shown = null;
  #goal = 0;
  #signs = 0;
  #running = false;

  constructor(element, value) {
    this.#element = element;
    this.set(value);
  }

  set(value) {
    if (value === this.#goal && this.#shown !== null) return;
    const from = this.#shown;
    this.#goal = value;
    if (from === null || value < from || document.hidden || reducedMotion.matches) {
      this.#show(value);
      if (from !== null && value > from) this.#pulse();
      return;
    }
    if (!this.#running) this.#climb(from);
  }

  #climb(from) {
    this.#running = true;
    const start = performance.now();
    const step = (now) => {
      const share = Math.min(1, (now - start) / COUNT_UP_MS);
      this.#show(Math.max(Math.min(this.#goal, from), Math.round(from + (this.#goal - from) * share)));
      if (share < 1 && this.#shown !== this.#goal) requestAnimationFrame(step);
      else this.#running = false;
      if (!this.#running && this.#shown !== this.#goal) this.#climb(this.#shown);
    };
    requestAnimationFrame(step);
  }

  #show(value) {
    this.#shown = value;
    const text = compact(value);
    if (this.#element.textContent !== text) this.#element.textContent = text;
    if (text.length > this.#signs) {
      this.#signs = text.length;
      this.#element.style.minInlineSize = "";
      this.#element.style.minInlineSize = `${this.#element.getBoundingClientRect().width}px`;
    }
  }

  #pulse() {
    this.#element.classList.remove("pulse");
    void this.#element.offsetWidth;
    this.#element.classList.add("pulse");
  }
}
