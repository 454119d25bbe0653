// Which friends watch, too, beside the number of viewers: people that the viewer has talked with. Asked for by those who have
// conversations alone, when the number of viewers has changed.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { byId, isolated, note } from "../parts/dom.js";

const EVERY_MS = 30_000;

/** What is said of friends, as videos/friends.py says it: the first by name, and how many there are. */
export function saidOf({ people, count }) {
  if (!count) return "";
  const [name, other] = people.map((person) => isolated(person.name));
  if (count === 1) return translate("friends_one", { name });
  return count === 2 ? translate("friends_two", { name, other }) : plural("friends", count - 1, { name });
}

export class Friends {
  #line = byId("friends-here");
  #state = null;
  #of = null;
  #askedAt = -Infinity;
  #timer = null;

  /** `knowsAnybody()`: whether the viewer has conversations. */
  constructor({ knowsAnybody }) {
    this.knowsAnybody = knowsAnybody;
  }

  render(state, before) {
    this.#state = state;
    if (state.viewer?.id !== this.#of) {
      this.#of = state.viewer?.id ?? null;
      this.#askedAt = -Infinity;
      note(this.#line, "");
    }
    if (state.viewers.count !== before?.viewers.count || state.viewer !== before?.viewer) this.askSoon();
  }

  /** Something is different: the viewers, or who the viewer knows. */
  askSoon() {
    const ms = Math.max(0, this.#askedAt + EVERY_MS - performance.now());
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#ask();
    }, ms);
  }

  async #ask() {
    const { viewer, video } = this.#state;
    if (!viewer || video.status === "ended" || !this.knowsAnybody() || document.hidden) return;
    this.#askedAt = performance.now();
    try {
      const found = await call("GET", `/videos/${video.id}/friends`, undefined, { quietly: true });
      if (this.#state.viewer?.id === viewer.id) note(this.#line, saidOf(found));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next change asks again.
    }
  }
}
