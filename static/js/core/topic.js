// One topic of a hub: which tabs follow it, which event each of them had last, and whether the server has to be asked.
// Pure: a method changes this state and returns what the hub has to do.
//
// Promise: `take` and `answered` name a tab for each durable event once and in order of seq. A tab that would miss one
// gets nothing more until the server was asked; when asking did not help, the whole state is asked for.

export const TopicState = Object.freeze({
  /** To be asked for, from after the last event that every tab has. */
  RESUME: "resume",
  /** To be asked for with its whole state. */
  REFETCH: "refetch",
  /** Asked for. The answer is on its way. */
  ASKED: "asked",
  /** Answered. Events follow. */
  ANSWERED: "answered",
});

export class Topic {
  #state = TopicState.RESUME;
  // tab → seq of the last event that it has; null: it waits for a state.
  #seqs = new Map();
  // Of these seqs.
  #epoch = null;
  // After which seq an event was missing last.
  #gapAfter = -1;
  // The seq that the server has.
  #newestSeq = 0;

  /** `isStateOnly`: only the present counts, what was missed does not. */
  constructor(name, { isStateOnly = false } = {}) {
    Object.assign(this, { name, isStateOnly });
  }

  get state() {
    return this.#state;
  }

  get tabs() {
    return [...this.#seqs.keys()];
  }

  /** Whether the server has to be asked. */
  get isDue() {
    return this.#state === TopicState.RESUME || this.#state === TopicState.REFETCH;
  }

  /** Whether a tab has yet to get what the server has. */
  get isBehind() {
    return [...this.#seqs.values()].some((seq) => seq !== null && seq < this.#newestSeq);
  }

  /** Let a tab in that has everything up to `seq` of `epoch`; null: nothing yet. */
  join(tab, seq, epoch) {
    if (seq !== null) this.#epoch ??= epoch;
    // What a tab has of another history is nothing to go on from.
    this.#seqs.set(tab, epoch === this.#epoch ? seq : null);
    // Asked for even where the connection has it: between its drawing and now the page may have missed something.
    if (!this.isDue) this.#state = TopicState.RESUME;
  }

  leave(tab) {
    return this.#seqs.delete(tab);
  }

  /** Note that the server is asked now. Returns what to ask: `{topic}`, with `after` where events are enough. */
  ask() {
    const seq = this.#state === TopicState.REFETCH ? null : this.#commonSeq;
    this.#state = TopicState.ASKED;
    return seq === null ? { topic: this.name } : { topic: this.name, after: `${this.name}@${this.#epoch}.${seq}` };
  }

  /** The seq up to which every tab has everything; null where one needs the whole state. */
  get #commonSeq() {
    const seqs = [...this.#seqs.values()];
    return this.isStateOnly || seqs.includes(null) ? null : Math.min(...seqs);
  }

  /**
   * The server has answered: with the state, or with what was missed, which follows. `isNew`: on a new connection.
   * Returns the tabs that need the state.
   */
  answered({ epoch, seq, snapshot }, { isNew = false } = {}) {
    this.#newestSeq = seq;
    this.#settle();
    if (!snapshot) return [];
    // A tab that has followed this connection has it all; after a break nobody has.
    const isAll = isNew || epoch !== this.#epoch;
    const needy = [...this.#seqs].filter(([, has]) => isAll || has === null || has < seq).map(([tab]) => tab);
    return this.reset({ epoch, seq }, needy);
  }

  /** The state at `seq` is at hand. Returns the tabs that get it. */
  reset({ epoch, seq }, tabs = this.tabs) {
    this.#epoch = epoch;
    this.#newestSeq = seq;
    this.#gapAfter = -1;
    this.#settle();
    for (const tab of tabs) this.#seqs.set(tab, seq);
    return tabs;
  }

  #settle() {
    if (this.#state === TopicState.ASKED) this.#state = TopicState.ANSWERED;
  }

  /** Take an event; only durable ones have a `seq`. Returns the tabs that get it. Afterwards the topic may be due. */
  take({ seq }) {
    const tabs = [];
    let isMissing = false;
    for (const [tab, last] of this.#seqs) {
      if (last === null || (seq !== undefined && seq <= last)) continue;
      if (seq > last + 1) {
        isMissing = true;
        continue;
      }
      if (seq !== undefined) this.#seqs.set(tab, seq);
      tabs.push(tab);
    }
    if (isMissing) this.#miss(seq);
    return tabs;
  }

  /** An event is missing: ask for it; when asking did not help, for everything. */
  #miss(seq) {
    this.#newestSeq = Math.max(this.#newestSeq, seq);
    if (this.#state !== TopicState.ANSWERED) return;
    const after = this.#commonSeq;
    this.#state = this.#gapAfter === after ? TopicState.REFETCH : TopicState.RESUME;
    this.#gapAfter = after;
  }
}
