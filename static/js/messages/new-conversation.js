// A new conversation: with one of the people that the viewer knows, or with several as a group.

import { ApiError } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { found, People } from "../inbox/people.js";
import { byId, note } from "../parts/dom.js";

export class NewConversation {
  #dialog = byId("new-dialog");
  #form = byId("new-form");
  #find = byId("new-find");
  #title = byId("new-title");
  #start = byId("new-start");
  // By id: those who are chosen, also while the field above hides them.
  #chosen = new Map();
  #people;

  constructor({ inbox }) {
    this.inbox = inbox;
    this.#people = new People(byId("new-list"), {
      paint: (button, person) => this.#paint(button, person),
      press: (person) => this.#toggle(person),
    });
    this.#find.addEventListener("input", () => this.#draw());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  open() {
    this.#chosen.clear();
    this.#form.reset();
    note(byId("new-error"), "");
    this.#draw();
    this.#dialog.showModal();
  }

  #toggle(person) {
    if (!this.#chosen.delete(person.id)) this.#chosen.set(person.id, person);
    this.#draw();
  }

  #paint(button, { id, name }) {
    const isChosen = this.#chosen.has(id);
    button.setAttribute("aria-pressed", String(isChosen));
    button.textContent = translate(isChosen ? "chosen" : "choose");
    button.setAttribute("aria-label", translate("choose_person", { name }));
  }

  #draw() {
    const { people } = this.inbox;
    const n = this.#chosen.size;
    this.#people.draw(found(people, this.#find.value));
    this.#find.hidden = people.length === 0;
    byId("new-none").hidden = people.length > 0;
    byId("new-title-row").hidden = n < 2;
    this.#start.disabled = n === 0;
    this.#start.textContent = n < 2 ? translate("start_one") : plural("start_group", n + 1);
  }

  async #submit() {
    if (this.#start.disabled) return;
    this.#start.disabled = true;
    try {
      const ids = [...this.#chosen.keys()];
      await this.inbox.start(ids, ids.length > 1 ? this.#title.value.trim() : "");
      this.#dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(byId("new-error"), error.advice);
    } finally {
      this.#start.disabled = false;
    }
  }
}
