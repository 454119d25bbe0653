// The members of the open group: who they are, one more, one less, and what the group is called.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note } from "../parts/dom.js";
import { found, People } from "./people.js";
import { peopleOf } from "./state.js";

export class Members {
  #dialog = byId("members-dialog");
  #find = byId("members-find");
  #title = byId("group-title");
  #members;
  #others;

  constructor({ store }) {
    this.store = store;
    this.#members = new People(byId("member-list"), {
      paint: (button, person) => this.#paintMember(button, person),
      press: ({ id }) => void this.#act("DELETE", `/members/${id}`),
    });
    this.#others = new People(byId("other-list"), {
      paint(button, { name }) {
        button.textContent = translate("add");
        button.setAttribute("aria-label", translate("add_person", { name }));
      },
      press: ({ id }) => void this.#act("POST", "/members", { viewer_id: id }),
    });
    this.#find.addEventListener("input", () => this.render());
    byId("rename").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#act("PATCH", "", { title: this.#title.value });
    });
  }

  open() {
    this.#find.value = "";
    this.#title.value = this.store.state.thread.conversation.title;
    note(byId("members-error"), "");
    this.#dialog.showModal();
    this.render();
  }

  render() {
    const { state } = this.store;
    if (!this.#dialog.open) return;
    if (!state.thread) return this.#dialog.close();
    const { members } = state.thread.conversation;
    const ids = new Set(members.map(({ id }) => id));
    const others = peopleOf(state).filter(({ id }) => !ids.has(id));
    this.#members.draw(members);
    this.#others.draw(found(others, this.#find.value));
    this.#find.hidden = others.length === 0;
    byId("other-none").hidden = others.length > 0;
  }

  #paintMember(button, { id, name }) {
    const { thread, viewer } = this.store.state;
    button.hidden = thread.conversation.creator_id !== viewer?.id || id === viewer?.id;
    button.textContent = translate("remove");
    button.setAttribute("aria-label", translate("remove_person", { name }));
  }

  async #act(method, path, body) {
    note(byId("members-error"), "");
    try {
      await call(method, `/conversations/${this.store.state.thread.conversation.id}${path}`, body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(byId("members-error"), error.advice);
    }
  }
}
