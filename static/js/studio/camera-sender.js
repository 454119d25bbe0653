// Keeps a picture on its way to the site: one line after another (camera-line.js), until it is stopped or refused.

import { Backoff } from "../core/backoff.js";
import { FAILED, LOST, PictureLine } from "./camera-line.js";

const CUT = 4409;
/** Close codes after which the site would say the same again. */
const FINAL = new Set([4400, 4401, 4403, 4404, 4422]);
/** For so long what was sent before may still count as another encoder. */
const BEFORE_MS = 30_000;
const FAILURES_MAX = 3;
const BEHIND_MAX_SECONDS = 6;
const LEAST_BITS_PER_SECOND = 300_000;
const STEADY_MS = 10_000;
const LOOK_MS = 1_000;
const REPLACE_MS = 500;

/** Whether it makes no sense to come back. `lostMs`: since the picture was last taken; null: it never was. */
export function isFinal({ closeCode, wasTaken }, { lostMs, failures }) {
  if (FINAL.has(closeCode)) return true;
  if (closeCode === CUT) return wasTaken || lostMs === null || lostMs > BEFORE_MS;
  return closeCode === FAILED && (lostMs === null || failures >= FAILURES_MAX);
}

/**
 * `changed(state)` is called with { phase, isCopied, bitsPerSecond, behindSeconds, detail, code }. Phases: "off",
 * "connecting", "sending", "lost" (it comes back by itself), "refused".
 */
export class Sender {
  #changed;
  #stream = null;
  #line = null;
  #wantedBits = 0;
  #isCopied = false;
  #takenAt = null;
  #backoff = new Backoff({ firstMs: 1_000, maxMs: 8_000, least: 0.5 });
  #timer = null;
  #looking = null;
  phase = "off";

  constructor(changed) {
    this.#changed = changed;
  }

  /** Whether something is sent, or will be by itself. */
  get isOn() {
    return this.phase === "connecting" || this.phase === "sending" || this.phase === "lost";
  }

  /** Whether the picture must be begun anew when its size changes: what is copied must keep it. */
  get mustKeepSize() {
    return this.isOn && this.#isCopied;
  }

  start(stream, bitsPerSecond) {
    this.#wantedBits = bitsPerSecond;
    this.#takenAt = null;
    this.#backoff.reset();
    this.#stream = stream;
    this.#connect();
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Go on with another stream, or with the same one begun anew. */
  replace(stream, bitsPerSecond = this.#wantedBits) {
    this.#stream = stream;
    this.#wantedBits = bitsPerSecond;
    this.#release();
    // The site must have seen the end of the former.
    this.#timer = setTimeout(() => this.#connect(), REPLACE_MS);
  }

  stop() {
    this.#halt();
    this.#line?.stop();
    this.#line = null;
    this.#say("off");
  }

  #halt() {
    clearTimeout(this.#timer);
    clearInterval(this.#looking);
  }

  /** Let go of the line of now. */
  #release() {
    clearTimeout(this.#timer);
    const line = this.#line;
    this.#line = null;
    line?.drop();
  }

  #connect() {
    this.#say(this.#takenAt === null ? "connecting" : "lost");
    const line = new PictureLine(this.#stream, {
      bitsPerSecond: this.#wantedBits,
      accepted: (isCopied) => { this.#isCopied = isCopied; },
      taken: () => {
        const now = performance.now();
        if (this.#backoff.failures && now - line.began > STEADY_MS) this.#backoff.reset();
        this.#takenAt = now;
        if (line === this.#line) this.#say("sending");
      },
      ended: (ending) => {
        if (line === this.#line) this.#lost(ending);
      },
    });
    line.began = performance.now();
    this.#line = line;
  }

  #lost(ending) {
    this.#line = null;
    const lostMs = this.#takenAt === null ? null : performance.now() - this.#takenAt;
    if (isFinal(ending, { lostMs, failures: this.#backoff.failures })) {
      this.#halt();
      this.#say("refused", ending);
      return;
    }
    this.#timer = setTimeout(() => this.#connect(), this.#backoff.next());
    this.#say("lost", ending);
  }

  /** A line that does not keep up gets a picture that needs less, from now on: what waits in it is old. */
  #look() {
    const line = this.#line;
    if (line === null || line.behindSeconds < BEHIND_MAX_SECONDS) return;
    if (line.isMoving) this.#wantedBits = Math.max(LEAST_BITS_PER_SECOND, this.#wantedBits / 2);
    this.#release();
    this.#lost({ closeCode: LOST, code: line.isMoving ? "slow" : "", detail: "", wasTaken: true });
  }

  #say(phase, { code = "", detail = "" } = {}) {
    this.phase = phase;
    const { bitsPerSecond = 0, behindSeconds = 0 } = this.#line ?? {};
    this.#changed({ phase, code, detail, bitsPerSecond, behindSeconds, isCopied: this.#isCopied });
  }
}
