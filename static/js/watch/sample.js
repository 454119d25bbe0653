// The quiet line above the comments: of how many one is shown, and the way to all of them.

import { plural, translate } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { compact } from "../parts/format.js";

export class Sample {
  #button = byId("sample");
  #text = byId("sample-text");
  /** Whether the viewer wants all of them. */
  showsAll = false;

  /** `changed()`: others are to be drawn. */
  constructor({ flow, changed }) {
    this.flow = flow;
    byId("scroller").parentElement.before(this.#button);
    this.#button.addEventListener("click", () => {
      this.showsAll = flow.isFlood && !this.showsAll;
      flow.clear();
      changed();
    });
  }

  /** Say how it is. `comments`: those that the page has. */
  render(comments) {
    const { flow } = this;
    if (!flow.isFlood) this.showsAll = false;
    const { ratio } = flow;
    const left = ratio > 1 || this.showsAll ? 0 : comments.filter(({ id }) => flow.skips(id)).length;
    this.#button.lastElementChild.hidden = this.showsAll;
    const text = this.showsAll ? translate("all_shown") : ratio > 1 ? translate("sampled", { n: compact(ratio) }) : left ? plural("left_out", left, { shown: compact(left) }) : "";
    this.#button.hidden = !text;
    this.#button.setAttribute("aria-pressed", String(this.showsAll));
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }
}
