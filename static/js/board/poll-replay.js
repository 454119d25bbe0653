// The polls of a replay: each while it was open, then its result, wherever the viewer goes in the picture.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";

const TICK_MS = 500;
const AGAIN_MS = 5_000;

export class PollReplay {
  #polls = null;
  #isAsking = false;

  /** `store`: the page's state, with its recording; `card`: where polls are shown. */
  constructor({ store, card }) {
    Object.assign(this, { store, card });
    setInterval(() => this.render(), TICK_MS);
  }

  /** Show the poll of the moment that is shown. */
  render() {
    const { recording } = this.store.state;
    if (!recording) return;
    if (!this.#polls) {
      if (!this.#isAsking) void this.#ask();
      return;
    }
    const ms = recording.momentAt(byId("picture").currentTime);
    // The newest is the first.
    const poll = (ms !== null && this.#polls.find((each) => each.opened_at_ms <= ms)) || null;
    this.card.render({ poll, votes: poll?.votes, mine: poll?.mine ?? null }, this.store.state, { now: () => ms, isReplay: true });
  }

  async #ask() {
    this.#isAsking = true;
    try {
      this.#polls = (await call("GET", `/videos/${this.store.state.video.id}/polls`, undefined, { quietly: true })).items;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passing) setTimeout(() => { this.#isAsking = false; }, AGAIN_MS);
    }
  }
}
