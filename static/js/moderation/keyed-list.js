// A list of things that come and go by their id. What stays keeps its element, and so its focus.

import { copyOf } from "../parts/dom.js";

export class KeyedList {
  #items = new Map();

  /** `template`: the id of an item's template; `fill(item, thing)`; `otherwise`: gets the focus when the last one goes. */
  constructor({ list, template, fill, otherwise }) {
    Object.assign(this, { list, template, fill, otherwise });
  }

  render(things) {
    const shown = new Set(things.map(({ id }) => id));
    for (const [id, item] of this.#items) if (!shown.has(id)) this.#remove(id, item);
    things.forEach((thing, at) => {
      const item = this.#items.get(thing.id) ?? copyOf(this.template);
      this.#items.set(thing.id, item);
      item.dataset.id = thing.id;
      this.fill(item, thing);
      if (this.list.children[at] !== item) this.list.insertBefore(item, this.list.children[at] ?? null);
    });
  }

  #remove(id, item) {
    const hadFocus = item.contains(document.activeElement);
    const next = item.nextElementSibling ?? item.previousElementSibling ?? this.otherwise;
    item.remove();
    this.#items.delete(id);
    if (hadFocus) next.querySelector("button:not([hidden])").focus();
  }
}
