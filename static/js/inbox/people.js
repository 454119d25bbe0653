// A list of people, each with a button; a field above it finds one by their name.

import { byId, paintFace } from "../parts/dom.js";
import { Rows } from "../parts/list.js";

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();

/** The people whose name has what is written, whatever its case and accents. */
export const found = (people, text) => people.filter(({ name }) => folded(name).includes(folded(text.trim())));

export class People {
  #people = [];
  #rows;

  /** `paint(button, person)`: what the button says, hidden where there is nothing to press; `press(person)`. */
  constructor(list, { paint, press }) {
    this.#rows = new Rows(list, {
      create: ({ key }) => {
        const item = byId("person-template").content.firstElementChild.cloneNode(true);
        item.dataset.id = key;
        return item;
      },
      fill(item, { person }) {
        paintFace(item.querySelector(".face"), person);
        item.querySelector(".person-name bdi").textContent = person.name;
        paint(item.querySelector("button"), person);
      },
      instead: (item) => (item.nextElementSibling ?? item.previousElementSibling)?.querySelector("button:not([hidden])") ?? list.closest("dialog"),
    });
    list.addEventListener("click", (event) => {
      const id = event.target.closest("button")?.closest("li").dataset.id;
      const person = this.#people.find((each) => each.id === id);
      if (person) press(person);
    });
  }

  draw(people) {
    this.#people = people;
    this.#rows.list.hidden = people.length === 0;
    this.#rows.draw(people.map((person) => ({ key: person.id, person })));
  }
}
