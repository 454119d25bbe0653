// Whom one names with an "@" in a comment: people who have written here, to choose from while one types.

import { byId, isComposing } from "../parts/dom.js";
import { beingNamed } from "./mentions.js";

const SHOWN_MAX = 5;

export class Naming {
  #list = byId("names");
  #field;
  #at = 0;

  /** `composer`: where one writes; `names()`: of those who may be meant, the likeliest first. */
  constructor({ composer, names }) {
    Object.assign(this, { composer, names });
    this.#field = composer.field;
    this.#field.before(this.#list);
    this.#field.setAttribute("aria-controls", "names");
    this.#field.setAttribute("aria-autocomplete", "list");
    for (const event of ["input", "click"]) this.#field.addEventListener(event, () => this.#look());
    this.#field.addEventListener("blur", () => this.#close());
    // Before the composer takes Enter for "send".
    composer.form.addEventListener("keydown", (event) => this.#pressed(event), { capture: true });
    this.#list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.#choose(event.target.closest("li"));
    });
  }

  get #named() {
    return beingNamed(this.#field.value, this.#field.selectionStart);
  }

  #look() {
    const sought = this.#named?.name.toLowerCase();
    const fits = (name) => name.startsWith(sought) && name !== sought;
    const found = sought === undefined ? [] : this.names().filter((name) => fits(name.toLowerCase()));
    this.#list.replaceChildren(...found.slice(0, SHOWN_MAX).map((name, at) => {
      const item = document.createElement("li");
      Object.assign(item, { id: `name-${at}`, textContent: name, role: "option", dir: "auto" });
      return item;
    }));
    this.#list.hidden = !found.length;
    this.#mark(0);
  }

  #mark(at) {
    const items = [...this.#list.children];
    this.#at = items.length ? (at + items.length) % items.length : 0;
    items.forEach((item, number) => item.setAttribute("aria-selected", String(number === this.#at)));
    if (items.length) this.#field.setAttribute("aria-activedescendant", items[this.#at].id);
    else this.#field.removeAttribute("aria-activedescendant");
  }

  #pressed(event) {
    if (this.#list.hidden || event.target !== this.#field || isComposing(event)) return;
    const acts = {
      ArrowDown: () => this.#mark(this.#at + 1),
      ArrowUp: () => this.#mark(this.#at - 1),
      Enter: () => this.#choose(this.#list.children[this.#at]),
      Tab: () => this.#choose(this.#list.children[this.#at]),
      Escape: () => this.#close(),
    };
    if (!acts[event.key] || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  #choose(item) {
    const named = this.#named;
    if (!item || !named) return;
    const { value, selectionStart } = this.#field;
    const before = `${value.slice(0, named.from)}@${item.textContent} `;
    this.composer.write(before + value.slice(selectionStart).trimStart());
    this.#field.setSelectionRange(before.length, before.length);
    this.#close();
  }

  #close() {
    this.#list.replaceChildren();
    this.#list.hidden = true;
    this.#mark(0);
  }
}
