// What one begins with an "@" or a ":" in a comment: people who have written here, or emoji of the channel, to choose from
// while one types.

import { byId, isComposing } from "../parts/dom.js";
import { pictureOf } from "../parts/own-emoji.js";
import { beingCoded, beingNamed, foldedName } from "./mentions.js";

const SHOWN_MAX = 5;

export class Naming {
  #list = byId("names");
  #field;
  #at = 0;

  /**
   * `composer`: where one writes; `names()`: of those who may be meant, the likeliest first; `emoji()`: of the channel, the
   * address of each by its code.
   */
  constructor({ composer, names, emoji }) {
    Object.assign(this, { composer, names, emoji });
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

  /** What may be meant at the place where one writes, `{from, texts}`; null: nothing is begun there. */
  get #begun() {
    const { value, selectionStart } = this.#field;
    const named = beingNamed(value, selectionStart);
    if (named) {
      const sought = foldedName(named.name);
      const fits = (name) => foldedName(name).startsWith(sought) && name.toLowerCase() !== named.name.toLowerCase();
      return { from: named.from, texts: this.names().filter(fits).map((name) => `@${name}`) };
    }
    const coded = beingCoded(value, selectionStart);
    if (!coded) return null;
    return { from: coded.from, texts: Object.keys(this.emoji()).filter((code) => code.startsWith(coded.code)).map((code) => `:${code}:`) };
  }

  #look() {
    const found = this.#begun?.texts ?? [];
    this.#list.replaceChildren(...found.slice(0, SHOWN_MAX).map((text, at) => this.#item(text, at)));
    this.#list.hidden = !found.length;
    this.#mark(0);
  }

  #item(text, at) {
    const item = document.createElement("li");
    Object.assign(item, { id: `name-${at}`, role: "option", dir: "auto" });
    item.dataset.text = text;
    if (text.startsWith("@")) item.textContent = text.slice(1);
    else item.append(Object.assign(pictureOf(text.slice(1, -1), this.emoji()), { alt: "" }), ` ${text}`);
    return item;
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
    const begun = this.#begun;
    if (!item || !begun) return;
    const { value, selectionStart } = this.#field;
    const before = `${value.slice(0, begun.from)}${item.dataset.text} `;
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
