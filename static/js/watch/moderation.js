// What a moderator does with comments, and the pinned one on top.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { isRead } from "./state.js";

export class Moderation {
  #dialog = byId("delete-dialog");
  #toDelete = null;

  /** `complain(text)`: what went wrong. */
  constructor({ store, complain }) {
    Object.assign(this, { store, complain, path: `/videos/${store.state.video.id}/comments` });
    byId("unpin").addEventListener("click", () => this.#unpin());
    byId("delete-yes").addEventListener("click", () => this.#delete());
    // A long pinned comment is cut to a few lines until it is pressed.
    const text = byId("pinned-text");
    text.addEventListener("click", () => {
      text.setAttribute("aria-expanded", String(text.getAttribute("aria-expanded") !== "true"));
    });
  }

  pin(id) {
    void this.#act(() => call("PUT", `${this.path}/${id}/pin`));
  }

  askToDelete(comment) {
    if (!comment) return;
    this.#toDelete = comment.id;
    byId("delete-body").textContent = comment.body;
    this.#dialog.showModal();
  }

  render(state, before) {
    if (state.pinned === before?.pinned && state.blocked === before?.blocked) return;
    const top = state.pinned.findLast(({ author }) => isRead(state, author));
    byId("pinned").hidden = !top;
    byId("pinned-name").textContent = top?.author.name ?? "";
    byId("pinned-body").textContent = top?.body ?? "";
    byId("unpin").hidden = !state.canModerate;
  }

  #unpin() {
    const pinned = this.store.state.pinned.at(-1);
    if (pinned) void this.#act(() => call("DELETE", `${this.path}/${pinned.id}/pin`));
  }

  #delete() {
    this.#dialog.close();
    const id = this.#toDelete;
    void this.#act(async () => {
      await call("DELETE", `${this.path}/${id}`);
      this.store.dispatch("local_deleted", { id });
    });
  }

  async #act(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.complain(error.advice);
    }
  }
}
