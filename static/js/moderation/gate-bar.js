// A line above the comments: that an attack is noticed, why, and the press that closes the gate; while it is closed, until
// when, and the press that opens it.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { copyOf, toast } from "../parts/dom.js";
import { clock } from "../parts/format.js";
import { mayAct } from "../parts/rights.js";

const ALARM_MS = 600_000;

export class GateBar {
  #bar = copyOf("gate-bar-template");
  #timer;
  #hiddenAtMs = 0;
  #state = null;

  /** `store`: that of watch.js; `place(bar)`. */
  constructor({ store, place }) {
    this.store = store;
    place(this.#bar);
    this.#bar.addEventListener("click", (event) => {
      const act = event.target.closest("button")?.dataset.act;
      if (act === "hide") this.#hide();
      else if (act) void this.#act(act);
    });
  }

  /** `alarm`, `gate`: of the moderators' topic. */
  render({ alarm, gate }) {
    this.#state = { alarm, gate };
    clearTimeout(this.#timer);
    const nowMs = Date.now();
    const isClosed = (gate?.until_ms ?? 0) > nowMs;
    const alarmEndsMs = (alarm?.at_ms ?? -ALARM_MS) + ALARM_MS;
    // Who has closed the gate since, has dealt with it.
    const isRaised = !isClosed && alarmEndsMs > nowMs && alarm.at_ms !== this.#hiddenAtMs && (gate?.until_ms ?? 0) < alarm.at_ms;
    const why = alarmEndsMs > nowMs ? translate(`alarm_${alarm.kind}`, alarm) : "";
    const closed = isClosed ? translate("gate_closed_until", { time: clock(gate.until_ms) }) : "";
    this.#bar.querySelector("span").textContent = [why, closed].filter(Boolean).join(" ");
    this.#bar.hidden = !(isClosed || isRaised);
    const mayClose = mayAct(this.store.state, "gate");
    for (const [act, isOffered] of [["close", mayClose && !isClosed], ["open", mayClose && isClosed], ["hide", !isClosed]]) {
      this.#bar.querySelector(`[data-act=${act}]`).hidden = !isOffered;
    }
    const untilMs = isClosed ? gate.until_ms : alarmEndsMs;
    if (!this.#bar.hidden) this.#timer = setTimeout(() => this.render(this.#state), untilMs - nowMs);
  }

  #hide() {
    this.#hiddenAtMs = this.#state.alarm.at_ms;
    this.render(this.#state);
  }

  async #act(act) {
    const path = `/channels/${this.store.state.video.broadcaster.id}/gate`;
    try {
      if (act === "open") return void (await call("DELETE", path));
      const { deleted } = await call("PUT", path, {});
      toast(plural("gate_closed", deleted));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.advice);
    }
  }
}
