// Following a channel: what the API is asked, and how the button shows it. Called by the channel's page and the watch page.

import { ApiError, call } from "../core/api.js";

/** How one viewer follows one channel: `null` for not at all, else `{ alerts }`. */
export class Follow {
  #work = Promise.resolve();

  /** `drawn(follow)` shows it; `failed(text)` says why it did not change, "" when all is well. */
  constructor({ channelId, follow, drawn, failed }) {
    Object.assign(this, { path: `/channels/${channelId}`, follow, drawn, failed });
  }

  toggle() {
    return this.#change(this.follow ? null : { alerts: false });
  }

  setAlerts(alerts) {
    return this.#change({ alerts });
  }

  /** Read it anew, for a viewer who has just come. */
  async read() {
    const { following, followers } = await call("GET", this.path);
    this.#show(following);
    return followers;
  }

  /** Shown at once, and taken back if it fails. One change after the other. Returns whether it was done. */
  #change(wanted) {
    const before = this.follow;
    this.#show(wanted);
    this.#work = this.#work.then(async () => {
      try {
        await (wanted ? call("PUT", `${this.path}/follow`, wanted) : call("DELETE", `${this.path}/follow`));
        this.failed("");
        return true;
      } catch (problem) {
        if (!(problem instanceof ApiError)) throw problem;
        this.#show(before);
        this.failed(problem.code === "own_channel" || problem.code === "too_many" ? problem.detail : problem.advice);
        return false;
      }
    });
    return this.#work;
  }

  #show(follow) {
    this.follow = follow;
    this.drawn(follow);
  }
}
