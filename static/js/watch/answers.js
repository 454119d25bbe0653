// One thread in place of all comments: the comment that it goes back to, and the answers to it and to these.

import { ApiError, call } from "../core/api.js";
import { withAdded } from "../core/pending.js";
import { byId } from "../parts/dom.js";

export class Answers {
  #root = null;
  // Of the thread, what the page does not have.
  #older = [];

  /** `path`: of the comments; `changed()`: others are to be drawn; `failed(text)`: what went wrong. */
  constructor({ path, changed, failed }) {
    Object.assign(this, { path, changed, failed });
    byId("comments-panel").prepend(byId("thread-bar"));
    byId("thread-close").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return this.#root !== null;
  }

  /** Show the thread that a comment is in. `known`: the comments that the page has, by id. Returns its first comment. */
  async open(comment, known) {
    let root = comment;
    while (known.has(root.reply_to)) root = known.get(root.reply_to);
    this.#show(root, []);
    try {
      const { items } = await call("GET", `${this.path}/${comment.id}/thread`);
      if (this.#root?.id === root.id) this.#show(items[0], items);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failed(error.advice);
    }
    return this.#root;
  }

  close() {
    if (!this.#root) return;
    this.#show(null, []);
    byId("scroller").focus({ preventScroll: true });
  }

  /** Of all comments, return those of the thread. */
  of({ comments, gone }) {
    const older = this.#older.filter(({ id, seq }) => !gone.has(id) && !(seq >= comments[0]?.seq));
    const ids = new Set([this.#root.id]);
    return older.reduce(withAdded, comments).filter(({ id, reply_to: to }) => ids.has(id) || (ids.has(to) && ids.add(id)));
  }

  #show(root, older) {
    this.#root = root;
    this.#older = older;
    byId("thread-bar").hidden = !root;
    this.changed();
  }
}
