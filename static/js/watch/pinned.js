// The pinned comment on top of the others: one line of it until one presses it, away when one does not want it.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { write } from "../parts/own-emoji.js";
import { isRead } from "../parts/rights.js";

export class Pinned {
  #hiddenId = null;
  #top = null;
  #text = byId("pinned-text");

  /** `complain(text)`: what went wrong. */
  constructor({ store, complain }) {
    Object.assign(this, { store, complain });
    byId("unpin").addEventListener("click", () => this.#unpin());
    byId("pinned-hide").addEventListener("click", () => {
      this.#hiddenId = this.#top?.id;
      this.#show();
      byId("scroller").focus({ preventScroll: true });
    });
    this.#text.addEventListener("click", () => this.#fold(this.#text.getAttribute("aria-expanded") === "true"));
  }

  render(state, before) {
    if (["pinned", "blocked", "emoji"].every((part) => state[part] === before?.[part])) return;
    const top = state.pinned.findLast(({ author }) => isRead(state, author)) ?? null;
    if (top?.id !== this.#top?.id) this.#fold(true);
    this.#top = top;
    byId("pinned-name").textContent = top?.author.name ?? "";
    write(byId("pinned-body"), top?.body ?? "", state.emoji);
    byId("unpin").hidden = !state.may.includes("pin");
    this.#show();
  }

  #show() {
    byId("pinned").hidden = !this.#top || this.#top.id === this.#hiddenId;
  }

  #fold(isFolded) {
    this.#text.setAttribute("aria-expanded", String(!isFolded));
  }

  async #unpin() {
    if (!this.#top) return;
    try {
      await call("DELETE", `/videos/${this.store.state.video.id}/comments/${this.#top.id}/pin`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.complain(error.advice);
    }
  }
}
