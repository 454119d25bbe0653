// What happened at a video, by its moments: windows of it that follow each other (`GET /videos/{id}/replay`). Pure.
//
// Likes and reactions come in steps of 5 s. Inside a step they are spread evenly.

const STEP_MS = 5_000;
const SHOWN_MAX = 200;
const WINDOWS_MAX = 12;

const flat = (windows, name) => windows.flatMap((each) => each[name]);
const shareOf = (step, ms) => Math.min(1, Math.max(0, (ms - step.at_ms) / STEP_MS));

/** How many of the sorted items are not after a moment. */
function countUntil(items, ms) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].at_ms <= ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Moments {
  #windows = [];
  #comments = [];
  #steps = [];

  /** Up to where it is known what happened; null: nothing is. */
  get end() {
    return this.#windows.at(-1)?.to_ms ?? null;
  }

  /** The seq of the newest comment before all that is known. */
  get seqBefore() {
    return this.#windows[0].seq_before;
  }

  knows(ms) {
    return this.#windows.length > 0 && this.#windows[0].from_ms <= ms && ms < this.end;
  }

  /** Add a window. One that does not follow the last begins anew. */
  add(window) {
    const isNext = window.from_ms === this.end;
    this.#windows = isNext ? [...this.#windows, window].slice(-WINDOWS_MAX) : [window];
    this.#comments = flat(this.#windows, "comments");
    this.#steps = flat(this.#windows, "steps");
  }

  /** What the page shows at a moment that is known. `sinceMs`: all comments since then are in. */
  at(ms) {
    const count = countUntil(this.#comments, ms);
    const comments = this.#comments.slice(Math.max(0, count - SHOWN_MAX), count);
    const sinceMs = count > SHOWN_MAX ? comments[0].at_ms : this.#windows[0].from_ms;
    return { comments, sinceMs, pinned: this.#pinnedAt(ms), ...this.#standingAt(ms) };
  }

  /** The comments that came after one moment and up to another. */
  commentsBetween(fromMs, ms) {
    return this.#comments.slice(countUntil(this.#comments, fromMs), countUntil(this.#comments, ms));
  }

  /** The reactions between two moments, by kind. */
  reactionsBetween(fromMs, ms) {
    const found = {};
    for (const step of this.#steps.slice(countUntil(this.#steps, fromMs - STEP_MS), countUntil(this.#steps, ms))) {
      const [before, after] = [shareOf(step, fromMs), shareOf(step, ms)];
      for (const [kind, count] of Object.entries(step.reactions)) {
        found[kind] = (found[kind] ?? 0) + Math.floor(count * after) - Math.floor(count * before);
      }
    }
    return found;
  }

  #pinnedAt(ms) {
    const { pins } = this.#windows.find((window) => ms < window.to_ms);
    const isOn = (pin) => pin.from_ms <= ms && (pin.until_ms === null || ms < pin.until_ms);
    return pins.filter(isOn).map(({ comment }) => comment);
  }

  #standingAt(ms) {
    const number = countUntil(this.#steps, ms);
    const [{ likes, viewers }] = this.#windows;
    if (!number) return { likes, viewers };
    const step = this.#steps[number - 1];
    return { likes: likesIn(step, this.#steps[number - 2]?.likes ?? likes, ms), viewers: step.viewers };
  }
}

/** The likes at a moment of a step or after it. */
function likesIn(step, before, ms) {
  const share = shareOf(step, ms);
  const kinds = Object.fromEntries(Object.entries(step.likes.kinds).map(([kind, count]) => {
    const first = before.kinds[kind] ?? 0;
    return [kind, first + Math.round((count - first) * share)];
  }));
  return { total: Object.values(kinds).reduce((sum, count) => sum + count, 0), kinds };
}
