// The people that the viewer blocks, each with a button to stop it.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { People } from "../inbox/people.js";
import { byId, note, toast } from "../parts/dom.js";

export class Blocked {
  #dialog = byId("blocked-dialog");
  #list;
  #people = [];

  constructor() {
    this.#list = new People(byId("blocked-list"), {
      paint(button, { name }) {
        button.textContent = translate("unblock");
        button.setAttribute("aria-label", translate("unblock_person", { name }));
      },
      press: (person) => void this.#unblock(person),
    });
  }

  async open() {
    try {
      const { items } = await call("GET", "/blocks");
      this.#draw(items);
      note(byId("blocked-error"), "");
      this.#dialog.showModal();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.advice);
    }
  }

  #draw(people) {
    this.#people = people;
    this.#list.draw(people);
    byId("blocked-none").hidden = people.length > 0;
  }

  async #unblock({ id }) {
    try {
      await call("DELETE", `/blocks/${id}`);
      this.#draw(this.#people.filter((person) => person.id !== id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(byId("blocked-error"), error.advice);
    }
  }
}
