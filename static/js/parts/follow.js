// Following a channel: the two buttons, and what the API is asked. Called by the channel's page and the watch page.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { allowMessages } from "./push.js";

/** How one viewer follows one channel: `null` for not at all, else `{ alerts }`. */
export class Follow {
  #button;
  #bell;
  #work = Promise.resolve();

  /** `says(text)` shows what happened, "" when that is over; `asViewer(work)` does it as soon as there is a name. */
  constructor({ channelId, button, bell, asViewer, says, changed = () => {} }) {
    Object.assign(this, { path: `/channels/${channelId}`, follow: null, says, changed });
    [this.#button, this.#bell] = [button, bell];
    button.addEventListener("click", () => asViewer(() => this.#change(this.follow ? null : { alerts: false })));
    bell.addEventListener("click", () => void this.#setAlerts(!this.follow.alerts));
    button.disabled = false;
  }

  show(follow) {
    const before = Boolean(this.follow);
    this.follow = follow;
    this.#button.setAttribute("aria-pressed", String(Boolean(follow)));
    this.#button.classList.toggle("main", !follow);
    this.#bell.hidden = !follow;
    this.#bell.setAttribute("aria-pressed", String(Boolean(follow?.alerts)));
    if (before !== Boolean(follow)) this.changed(Boolean(follow));
  }

  /** Read it anew, for a viewer who has just come. */
  async read() {
    this.show((await call("GET", this.path)).following);
  }

  async #setAlerts(alerts) {
    const { refusal, byMail } = alerts ? await allowMessages() : {};
    if (refusal) this.says(translate(refusal));
    else if (await this.#change({ alerts })) this.says(translate(alerts ? (byMail ? "alerts_mail" : "alerts_on") : "alerts_off"));
  }

  /** Shown at once, and taken back if it fails. One change after the other. Returns whether it was done. */
  #change(wanted) {
    const before = this.follow;
    this.says("");
    this.show(wanted);
    this.#work = this.#work.then(async () => {
      try {
        await (wanted ? call("PUT", `${this.path}/follow`, wanted) : call("DELETE", `${this.path}/follow`));
        return true;
      } catch (problem) {
        if (!(problem instanceof ApiError)) throw problem;
        this.show(before);
        this.says(["own_channel", "too_many"].includes(problem.code) ? problem.detail : problem.advice);
        return false;
      }
    });
    return this.#work;
  }
}
