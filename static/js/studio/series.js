// What happened at a video, step by step: from its timeline, and from what comes live. Pure.

const MINUTE_MS = 60_000;
/** What came in the last seconds may not be in the server's timeline yet. */
const LATE_MS = 15_000;
const COUNTED = ["likes", "reactions", "comments"];

/** For each point of a timeline how much of `name` happened in the minute up to it. */
export function perMinute(points, stepMs, name) {
  const length = Math.max(1, Math.round(MINUTE_MS / stepMs));
  let sum = 0;
  return points.map((point, at) => {
    sum += point[name] - (at < length ? 0 : points[at - length][name]);
    return (sum * MINUTE_MS) / (length * stepMs);
  });
}

export class LiveTimeline {
  #points;
  #stepMs;
  #viewers;

  /** `timeline`: of `GET /videos/{id}/timeline`, with one point at least. */
  constructor({ points, step_ms: stepMs }) {
    this.#points = points.map((point) => ({ ...point }));
    this.#stepMs = stepMs;
    this.#viewers = points.at(-1).viewers;
  }

  get points() {
    return this.#points;
  }

  get stepMs() {
    return this.#stepMs;
  }

  /** Count what has just happened. */
  count(name, number, atMs) {
    this.#at(atMs)[name] += number;
  }

  /** So many watch now. */
  watch(count, atMs) {
    const point = this.#at(atMs);
    this.#viewers = count;
    point.viewers = Math.max(point.viewers, count);
  }

  /** Time goes on, also when nothing happens. */
  goOn(atMs) {
    this.#at(atMs);
  }

  /** Take what the server has counted meanwhile. */
  update({ points, step_ms: stepMs, to_ms: toMs }) {
    if (stepMs !== this.#stepMs) {
      this.#points = points.map((point) => ({ ...point }));
      this.#stepMs = stepMs;
      return;
    }
    const known = new Map(this.#points.map((point) => [point.at_ms, point]));
    const isLate = ({ at_ms: atMs }) => atMs + LATE_MS > toMs;
    this.#points = points.map((point) => (isLate(point) ? higher(point, known.get(point.at_ms)) : { ...point }));
  }

  /** The point of a moment, the last one at most; those up to it are made. */
  #at(atMs) {
    const points = this.#points;
    while (points.at(-1).at_ms + this.#stepMs <= atMs) {
      points.push({ at_ms: points.at(-1).at_ms + this.#stepMs, likes: 0, reactions: 0, comments: 0, viewers: this.#viewers });
    }
    return points[Math.max(0, Math.floor((atMs - points[0].at_ms) / this.#stepMs))] ?? points.at(-1);
  }
}

function higher(point, known) {
  if (!known) return { ...point };
  return { ...point, ...Object.fromEntries(COUNTED.map((name) => [name, Math.max(point[name], known[name])])) };
}
