// Above what people can read, comments are sampled. All of them are part of the page's state; which of them are drawn is
// decided here. Comments are bundled, so the page has time for its viewer; what becomes of one, as its deletion, does not wait.
// Touches neither document nor window.
//
// Fair: of those who wait, the one whose author was shown the longest ago is next, so who writes much is not seen more.
// Questions are chosen before others. What is of people that the viewer knows, or is said to them, is always shown (`isAlways`).

/** Comments a second that people can read. */
const PACE = 5;
/** Drawing costs the same for one comment as for a few. */
const SLOT_MS = 400;
/** How long the rate is looked at: short to notice a flood, long to believe that it is over. */
const NOTICE_MS = 2_000;
const CALM_MS = 5_000;
const CREDIT_MAX = 10;
/** More than a page keeps: one that is forgotten is not on it any more. */
const SKIPPED_MAX = 12_000;
const AUTHORS_MAX = 1_000;
const QUESTION = /[?？؟]/;

const isQuestion = ({ body }) => QUESTION.test(body);

export class Flow {
  // The ids of what is left out.
  #skipped = new Set();
  // Author → when they were shown last, in turns.
  #turns = new Map();
  #turn = 0;
  // Of the last comments: when each was written, and whether it is shown.
  #recent = [];
  #waiting = [];
  #timer = null;
  #isFlood = false;
  #credit = 0;

  /**
   * `deliver(name, data)`: hand an event on, in order; `isAlways(comment)`; `showsAll()`: nothing is
   * left out; `changed()`: other comments are to be drawn than before; `delivered()`: a bundle was, all of it.
   */
  constructor({ deliver, isAlways, showsAll, changed, delivered }) {
    Object.assign(this, { deliver, isAlways, showsAll, changed, delivered });
  }

  skips(id) {
    return this.#skipped.has(id);
  }

  /** Of how many comments one is shown; 1: all are. */
  get ratio() {
    const shown = this.#recent.filter(({ isShown }) => isShown).length;
    return this.#isFlood && !this.showsAll() ? Math.max(1, Math.round(this.#recent.length / Math.max(1, shown))) : 1;
  }

  get isFlood() {
    return this.#isFlood;
  }

  /** Take an event. Only durable ones, which have a `seq`, have an order to keep. */
  take(name, data) {
    if (name === "reset") {
      this.#waiting = [];
      this.#skipped.clear();
    }
    if (name === "comment") this.#count(data.at_ms);
    if (name === "reset" || data.seq === undefined || !(this.#isFlood || this.#waiting.length)) {
      this.deliver(name, data);
      return;
    }
    this.#waiting.push([name, data]);
    if (name !== "comment") this.#deliverAll();
    this.#timer ??= setInterval(() => this.#look(), SLOT_MS);
  }

  /** Show what was left out so far. */
  clear() {
    this.#skipped.clear();
  }

  /** Note a comment, by the server's clock: those of an hour that come at once are no flood. */
  #count(atMs) {
    const since = this.#recent.length ? Math.max(0, atMs - this.#recent.at(-1).atMs) : 0;
    this.#credit = Math.min(CREDIT_MAX, this.#credit + (since * PACE) / 1_000);
    this.#recent.push({ atMs, isShown: true });
    this.#judge(atMs);
  }

  #judge(nowMs) {
    while (this.#recent.length && this.#recent[0].atMs < nowMs - CALM_MS) this.#recent.shift();
    const { length } = this.#recent;
    const before = this.#isFlood;
    const noticed = () => this.#recent.filter(({ atMs }) => atMs > nowMs - NOTICE_MS).length;
    this.#isFlood = before ? length > (PACE * CALM_MS) / 2_000 : noticed() > (PACE * NOTICE_MS) / 1_000;
    if (this.#isFlood && !before) this.#credit = 1;
    if (this.#isFlood !== before) this.changed();
  }

  #deliverAll() {
    const bundle = this.#waiting;
    this.#waiting = [];
    this.#choose(bundle.filter(([name]) => name === "comment").map(([, { comment }]) => comment));
    for (const [name, data] of bundle) this.deliver(name, data);
    this.delivered();
  }

  #look() {
    if (this.#waiting.length) return this.#deliverAll();
    clearInterval(this.#timer);
    this.#timer = null;
    setTimeout(() => this.#calm(), CALM_MS);
  }

  /** Nothing has come for long: it is over, though no comment says so. */
  #calm() {
    if (this.#timer !== null || !this.#isFlood) return;
    this.#recent = [];
    this.#isFlood = false;
    this.changed();
  }

  /** Decide which of these are drawn. */
  #choose(comments) {
    if (!comments.length || this.showsAll()) return;
    let others = comments.filter((comment) => !this.isAlways(comment));
    for (const comment of comments) if (!others.includes(comment)) this.#show(comment);
    for (; others.length && this.#credit >= 1; this.#credit -= 1) {
      const next = others.reduce((best, one) => (this.#comesBefore(best, one) ? best : one)); // the newest of equals
      this.#show(next);
      others = others.filter((comment) => comment !== next);
    }
    for (const comment of others) this.#skip(comment);
  }

  #comesBefore(one, other) {
    const rank = (comment) => (isQuestion(comment) ? 0 : 1);
    const turn = ({ author }) => this.#turns.get(author.id) ?? -1;
    return (rank(one) - rank(other) || turn(one) - turn(other)) < 0;
  }

  #show({ author }) {
    this.#turns.delete(author.id);
    this.#turns.set(author.id, (this.#turn += 1));
    if (this.#turns.size > AUTHORS_MAX) this.#turns.delete(this.#turns.keys().next().value);
  }

  #skip({ id, at_ms: atMs }) {
    this.#skipped.add(id);
    const noted = this.#recent.find((each) => each.atMs === atMs && each.isShown);
    if (noted) noted.isShown = false;
    if (this.#skipped.size > SKIPPED_MAX) this.#skipped.delete(this.#skipped.values().next().value);
  }
}
