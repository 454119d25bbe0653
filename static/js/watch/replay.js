// The replay of an ended broadcast: comments, likes, hearts and viewers follow the picture, wherever the viewer goes in it.
//
// The clock is the recording's own (recording.js). What happened comes in windows around the place where one is
// (moments.js); a page that was never asked for a replay loads nothing.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { Afterwards } from "./afterwards.js";
import { Curve } from "./curve.js";
import { Moments } from "./moments.js";
import { Recording } from "./recording.js";
import { replayOf } from "./scene.js";

/** Often enough for 200 ms at twice the speed. */
const TICK_MS = 80;
/** How much of what was before a place is shown there at once, and how much is loaded. */
const BACK_MS = 60_000;
const WINDOW_MS = 180_000;
const AHEAD_MS = 40_000;
const CONTEXT_MIN = 30;
const PAGE = 50;
const RETRY_MS = 2_000;

export class Replay {
  #video = byId("picture");
  #url = "";
  #recording = null;
  #moments = new Moments();
  #curve = new Curve();
  #afterwards = new Afterwards({ changed: () => this.#look() });
  #isLoading = false;
  #retryAt = 0;
  #timer;
  /** The moment that is shown; null: the next one is a jump. */
  #shownMs = null;
  #shown = null;
  /** What the page showed before: the end of the broadcast. */
  #final = null;
  /** The moment to go to as soon as the recording is known. */
  #wantedMs = null;

  /** `store`: the page's state; `likes`, `comments`: what is said of what comes; `hearts`. */
  constructor({ store, hearts, likes, comments }) {
    Object.assign(this, { store, hearts, likes, comments });
    const on = (events, work) => events.split(" ").forEach((name) => this.#video.addEventListener(name, work));
    on("playing", () => this.#run());
    on("pause ended emptied", () => clearInterval(this.#timer));
    on("seeking emptied", () => { this.#shownMs = null; });
    // It is opened anew where it does not come through: it may have been trimmed.
    on("emptied", () => { this.#recording = null; });
    on("seeking seeked timeupdate", () => void this.#follow());
  }

  render(state) {
    const { video, over, likes } = state;
    this.#url = over ? "" : replayOf(video);
    if (this.#final && !this.#url && !over) {
      this.#leave();
      return;
    }
    if (this.#final) this.#collect(state);
    this.#afterwards.render(state);
    // An event has brought the state of today: it is not for this page.
    if (this.#shown && likes !== this.#shown.likes) {
      this.#shown = null;
      void this.#follow();
    }
    if (this.#recording) byId("watching").hidden = !this.#url;
  }

  /** Go to a moment of the broadcast, once there is a recording. */
  goTo(ms) {
    this.#wantedMs = ms;
    this.#seek();
  }

  #seek() {
    if (this.#wantedMs === null || !this.#recording?.has(this.#wantedMs)) return;
    this.#video.currentTime = this.#recording.secondOf(this.#wantedMs);
    this.#wantedMs = null;
  }

  #run() {
    clearInterval(this.#timer);
    if (this.#url) this.#timer = setInterval(() => void this.#follow(), TICK_MS);
  }

  /** Show what belongs to the picture that is shown; load it first where it is not known. */
  async #follow() {
    const ms = this.#url ? this.#recording?.momentAt(this.#video.currentTime) : null;
    if (ms && this.#moments.knows(ms)) this.#show(ms);
    const isDue = this.#url && (!ms || !this.#moments.knows(ms) || this.#moments.end - ms < AHEAD_MS * this.#video.playbackRate);
    if (!isDue || this.#isLoading || !this.#video.readyState || performance.now() < this.#retryAt) return;
    this.#isLoading = true;
    try {
      await (this.#recording ? this.#load(ms) : this.#read());
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof TypeError)) throw error;
      this.#retryAt = performance.now() + RETRY_MS;
    } finally {
      this.#isLoading = false;
    }
  }

  async #read() {
    const answer = await fetch(this.#url);
    if (!answer.ok) throw new ApiError({ status: answer.status });
    this.#recording = new Recording(await answer.text());
    this.store.dispatch("local_recording", { recording: this.#recording });
    this.#seek();
    void this.#drawCurve(this.#recording);
  }

  async #drawCurve(recording) {
    try {
      this.#curve.draw(await call("GET", `${this.#path}/timeline`, undefined, { quietly: true }), recording);
    } catch (error) {
      // The replay goes on without it.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Load the window that follows what is known, or one around a place that is far from it. */
  async #load(ms) {
    if (ms === null) return;
    const { end } = this.#moments;
    const isNext = end !== null && (this.#moments.knows(ms) || (end <= ms && ms - end < BACK_MS));
    const from = isNext ? end : Math.max(0, Math.floor(ms) - BACK_MS);
    const window = await call("GET", `${this.#path}/replay?from_ms=${from}&to_ms=${from + WINDOW_MS}`, undefined, { quietly: true });
    this.#moments.add(window);
    if (!isNext) this.#shownMs = null;
  }

  get #path() {
    return `/videos/${this.store.state.video.id}`;
  }

  #show(ms) {
    const [now, fromMs] = [this.#at(ms), this.#shownMs];
    const isJump = fromMs === null || ms < fromMs;
    this.#shownMs = ms;
    const before = this.store.state;
    if (!this.#final) this.#begin(before);
    if (isJump || isOther(now, this.#shown)) {
      this.store.dispatch("local_moment", { ...now, isJump });
      this.#shown = now;
    }
    if (isJump) void this.#arrive(now);
    else this.#announce(fromMs, ms, now, before);
  }

  #at(ms) {
    const now = this.#moments.at(ms);
    return this.#afterwards.isShown ? { ...now, comments: this.#afterwards.comments, sinceMs: 0 } : now;
  }

  #begin(state) {
    this.#final = endOf(state);
    this.#afterwards.collect(state);
  }

  /** Take away from those in step what is written now. */
  #collect(state) {
    const { hasNews, hasOwn } = this.#afterwards.collect(state);
    if (hasOwn) this.#afterwards.show(true);
    else if (hasNews) this.#look();
  }

  /** Show the place where one is, as if one had just come. */
  #look() {
    this.#shownMs = null;
    void this.#follow();
  }

  /** The recording was deleted: what was at the end is shown again. */
  #leave() {
    const final = this.#final;
    this.#final = this.#shown = this.#recording = null;
    this.#afterwards.isShown = false;
    byId("happened").hidden = true;
    this.store.dispatch("local_recording", { recording: null });
    this.store.dispatch("local_moment", final);
    this.store.dispatch("local_older", { items: this.#afterwards.comments });
  }

  /** What came since the last look is said and drawn as if it came now. */
  #announce(fromMs, ms, { likes }, before) {
    this.hearts.rise(this.#moments.reactionsBetween(fromMs, ms));
    if (likes.total !== before.likes.total) this.likes.came(likes, before);
    if (this.#afterwards.isShown) return;
    for (const comment of this.#moments.commentsBetween(fromMs, ms)) this.comments.came({ comment });
  }

  /** At another place: what was said before, where little was said since. */
  async #arrive({ comments, sinceMs }) {
    this.comments.restart({ hasOlder: !this.#afterwards.isShown });
    if (comments.length >= CONTEXT_MIN || this.#afterwards.isShown) return;
    const seq = this.#moments.seqBefore;
    try {
      const { items } = await call("GET", `${this.#path}/comments?limit=${PAGE}&before=${seq + 1}`, undefined, { quietly: true });
      if (this.#moments.seqBefore !== seq) return;
      this.store.dispatch("local_older", { items: items.filter((comment) => comment.at_ms < sinceMs) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
}

const endOf = ({ comments, pinned, likes, viewers }) => ({ comments, pinned, likes, viewers: viewers.count, sinceMs: 0, isJump: true });

/** Whether the page would look different. */
function isOther(now, shown) {
  const marks = ({ comments, pinned, likes, viewers }) => [comments.length, comments[0]?.id, comments.at(-1)?.id, pinned.at(-1)?.id, viewers, ...Object.values(likes.kinds)];
  return !shown || marks(now).join() !== marks(shown).join();
}
