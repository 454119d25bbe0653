// Sends what is pending (pending.js): one text after the other, in the order in which they were written, again and again
// while nobody answers. The server takes a client_id once, so what was sent twice is there once. What waits outlives a
// reload of the page.

import { ApiError } from "./api.js";
import { Backoff } from "./backoff.js";
import { PendingState } from "./pending.js";
import { recall, remember } from "./storage.js";

const FIRST_RETRY_MS = 2_000;
const RETRY_MAX_MS = 20_000;

/** A new name for what is being sent. */
export const newClientId = () => crypto.randomUUID?.() ?? String(Math.random()).slice(2);

export class Sender {
  #backoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: RETRY_MAX_MS, least: 0.5 });
  #viewerId = null;
  #saved;
  #isSending = false;
  #timer;

  /**
   * `store`: its state has `viewer` and `pending`; `key(viewer)`: under which what waits is kept; `post(sent)`: returns the
   * answer, `posted(answer)`; `takesBack(error, sent)`: shows why it was refused where it was written and returns true, or false.
   */
  constructor({ store, key, post, posted, takesBack }) {
    Object.assign(this, { store, key, post, posted, takesBack });
    this.#saved = store.state.pending;
  }

  /** Send a text, or one that waits or was refused again. */
  send(sent) {
    this.store.dispatch("local_sending", sent);
    this.wake();
  }

  drop({ clientId }) {
    this.store.dispatch("local_dropped", { clientId });
  }

  /** Try at once: the connection is back. */
  wake() {
    this.#backoff.reset();
    void this.#run();
  }

  /** Keep what waits; take up what the viewer has left here before. */
  save({ viewer, pending }) {
    if ((viewer?.id ?? null) === this.#viewerId) {
      if (viewer && pending !== this.#saved) remember(this.key(viewer), pending.length ? JSON.stringify(pending) : "");
      this.#saved = pending;
      return;
    }
    this.#viewerId = viewer?.id ?? null;
    this.#saved = pending;
    const left = JSON.parse((viewer && recall(this.key(viewer))) || "[]");
    if (!left.length) return;
    this.store.dispatch("local_left", { left });
    void this.#run();
  }

  get #next() {
    return this.store.state.pending.find(({ state }) => state !== PendingState.FAILED);
  }

  async #run() {
    if (this.#isSending) return;
    this.#isSending = true;
    clearTimeout(this.#timer);
    try {
      for (let sent = this.#next; sent; sent = this.#next) if (!await this.#attempt(sent)) break;
    } finally {
      this.#isSending = false;
    }
  }

  /** Send one. Returns whether to go on with the next. */
  async #attempt(sent) {
    const who = this.store.state.viewer.id;
    try {
      this.posted(await this.post(sent));
      this.#backoff.reset();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passing) return this.#wait(0);
      const isHere = this.store.state.viewer?.id === who;
      if ((sent.hasWaited && isHere) || !this.takesBack(error, sent)) {
        if (error.status === 429) return this.#wait(error.retryAfter * 1_000);
        this.store.dispatch("local_refused", { clientId: sent.clientId, reason: error.advice });
        return isHere;
      }
    }
    this.drop(sent);
    return true;
  }

  #wait(leastMs) {
    this.store.dispatch("local_waiting", {});
    this.#timer = setTimeout(() => void this.#run(), Math.max(leastMs, this.#backoff.next()));
    return false;
  }
}
