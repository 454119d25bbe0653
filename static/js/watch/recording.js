// When a recording's picture was taken: the playlist says it of each segment (RFC 8216, EXT-X-PROGRAM-DATE-TIME). Pure.

const TAG = /^#(EXTINF|EXT-X-PROGRAM-DATE-TIME):(.+)$/;

/** The segments of a playlist, as `{start, seconds, atMs}`: their place in the recording, and when that was. */
function segmentsOf(playlist) {
  const segments = [];
  let [start, seconds, atMs] = [0, 0, null];
  for (const line of playlist.split(/\r?\n/)) {
    const [, tag, value] = TAG.exec(line) ?? [];
    if (tag === "EXTINF") seconds = Number.parseFloat(value);
    else if (tag) atMs = Date.parse(value);
    else if (line && !line.startsWith("#")) {
      segments.push({ start, seconds, atMs });
      start += seconds;
      // The next one has no date of its own: it follows at once.
      if (atMs !== null) atMs += seconds * 1_000;
    }
  }
  return segments;
}

export class Recording {
  #segments;

  constructor(playlist) {
    this.#segments = segmentsOf(playlist);
  }

  get seconds() {
    const last = this.#segments.at(-1);
    return last ? last.start + last.seconds : 0;
  }

  /** When the picture at a second of the recording was taken, in ms since the epoch; null where nothing says it. */
  momentAt(second) {
    const segment = this.#segments.findLast(({ start, atMs }) => start <= second && atMs !== null);
    return segment ? segment.atMs + (second - segment.start) * 1_000 : null;
  }

  /** Whether it shows a moment, or what was right before a pause. */
  has(ms) {
    const [first, last] = [this.momentAt(0), this.momentAt(this.seconds)];
    return first !== null && first <= ms && ms <= last;
  }

  /** The second that shows a moment; for one without a picture the last before it. */
  secondOf(ms) {
    const segment = this.#segments.findLast(({ atMs }) => atMs !== null && atMs <= ms);
    return segment ? segment.start + Math.min(segment.seconds, (ms - segment.atMs) / 1_000) : 0;
  }
}
