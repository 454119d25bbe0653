// Reports which messages the viewer has seen: those at hand, in a tab that is looked at, with the end in view.

import { ApiError, call } from "../core/api.js";

const AFTER_MS = 300;

export class Receipts {
  #timer = null;
  #isSending = false;

  /** `isInView()`: whether the end of the open conversation can be seen. */
  constructor({ store, isInView }) {
    Object.assign(this, { store, isInView });
  }

  /** Something may have been seen. */
  report() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#send();
    }, AFTER_MS);
  }

  async #send() {
    const { thread, viewer, inbox } = this.store.state;
    if (!thread?.messages.length || !viewer || this.#isSending || document.hidden || !this.isInView()) return;
    const { id } = thread.conversation;
    const known = Math.max(thread.seen[viewer.id] ?? 0, inbox.conversations.find((each) => each.id === id)?.seen_seq ?? 0);
    if (!thread.messages.some(({ seq, author }) => seq > known && author.id !== viewer.id)) return;
    this.#isSending = true;
    try {
      const answer = await call("PUT", `/conversations/${id}/seen`, { seq: thread.messages.at(-1).seq });
      this.store.dispatch("local_seen", { id, ...answer });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next message, or look, reports again.
      return;
    } finally {
      this.#isSending = false;
    }
    this.report();
  }
}
