// The tabs of the column beside the video: comments, messages.

import { byId } from "../parts/dom.js";

const NAMES = ["comments", "messages"];

export class Column {
  #buttons = NAMES.map((name) => byId(`tab-${name}`));
  #panels = [byId("comments-panel"), byId("messages")];

  constructor({ changed }) {
    this.changed = changed;
    for (const [at, button] of this.#buttons.entries()) {
      button.addEventListener("click", () => this.show(NAMES[at]));
      button.addEventListener("keydown", (event) => this.#pressed(event, at));
    }
  }

  show(name, { focus = false } = {}) {
    for (const [at, button] of this.#buttons.entries()) {
      const isSelected = NAMES[at] === name;
      button.setAttribute("aria-selected", String(isSelected));
      button.tabIndex = isSelected ? 0 : -1;
      if (isSelected && focus) button.focus();
      this.#panels[at].hidden = !isSelected;
    }
    this.changed(name);
  }

  #pressed(event, at) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] * (document.dir === "rtl" ? -1 : 1);
    const to = { Home: 0, End: NAMES.length - 1 }[event.key] ?? (step ? (at + step + NAMES.length) % NAMES.length : null);
    if (to === null) return;
    event.preventDefault();
    this.show(NAMES[to], { focus: true });
  }
}
