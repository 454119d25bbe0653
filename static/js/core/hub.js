// The connection of a whole browser: one stream of events (transports.js) for the topics of all its tabs. Runs in a
// SharedWorker (worker.js) or, where there is none, in each page (client.js). Touches neither document nor window.
//
// Promise: a tab gets every durable event of its topics once and in order of seq, from behind the seq that it says it
// has; what is no longer at hand, or of another epoch, comes as `reset` with a fresh state. The same after a break. The
// first topics go into the address of the connection, later ones are added by POST /subscriptions. Where a transport is
// mute the next one is tried, and the pages show nothing of it. Waiting times are drawn at random over their whole
// range, so that many viewers who lost a node do not come back in one instant.

import { EVENTS as OF_INBOX } from "../inbox/state.js";
import { EVENTS as OF_VIDEO } from "../watch/state.js";
import { Ladder } from "./transports.js";
import { Witness } from "./acknowledgements.js";

/** Of the messages between tab and hub. A worker of an older release goes on serving the tabs that it has. */
export const VERSION = 3;

const EVENTS = new Set([...OF_VIDEO, ...OF_INBOX, "hello", "subscribed", "unsubscribed", "reset", "drain", "refused", "bye"]);
const FIRST_RETRY_MS = 1_000;
const RETRY_MAX_MS = 20_000;
const REFUSED_MAX_MS = 120_000;
/** Refusals that the viewer is told: others are over in a moment. */
const REFUSALS = new Set(["network_full", "too_many_connections", "full"]);
const CALL_TIMEOUT_MS = 15_000;
const WAKE_CHECK_MS = 5_000;
const SLEPT_MS = 25_000;
const TOPICS_MAX = 50;

// What a page cannot do without comes first; online dots come last, where there are too many topics.
const RANKS = ["video", "user", "conversation", "presence"];
const rank = (topic) => RANKS.indexOf(topic.slice(0, topic.indexOf(":")));

async function subscriptions(body, csrf) {
  const response = await fetch("/api/v1/subscriptions", {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": csrf },
    body: JSON.stringify(body),
    credentials: "same-origin",
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  });
  return { status: response.status, topics: response.ok ? (await response.json()).topics : {} };
}

export class Hub {
  #tabs = new Set();
  // topic → { tabs: tab → last seq passed on (null: it waits for a state), epoch: of these seqs, asked: an answer is under way,
  // ask: "after" or "afresh" or "", gapAt: where an event was missing last, target: the seq that the server has }
  #topics = new Map();
  #source = null;
  #next = null;
  #timer = null;
  #helloTimer;
  #ladder = new Ladder();
  #failures = 0;
  #refusals = 0;
  #retryMs = FIRST_RETRY_MS;
  #state = "connecting";
  #refusal = null;
  #viewer;
  #csrf = "";
  #offline = false;
  #posting = false;
  #settling = false;

  /**
   * `as`: embed or dock watch without being counted; `call(body, csrf)`: POST /subscriptions; `isAwake()`: false while
   * nobody looks and timers are held back; `witness(connection, everyMs)`: what acknowledges frames (acknowledgements.js).
   */
  constructor({
    as = "", call = subscriptions, random = Math.random, isAwake = () => true, witness = (...of) => new Witness(...of),
  } = {}) {
    Object.assign(this, { as, call, random, witness });
    let lastCheck = Date.now();
    setInterval(() => {
      // The machine slept: the connection is dead without knowing it.
      if (Date.now() - lastCheck > SLEPT_MS && this.#topics.size && isAwake()) {
        this.#ladder.begin(0);
        this.#open();
      }
      lastCheck = Date.now();
    }, WAKE_CHECK_MS);
  }

  /**
   * Let a tab in. `post(message)`: to the tab, `{state}`: connecting, catching, live, lost, or refused with `code` and
   * `seconds`, until we ask again; `{event, data}`; `{lost: topic, reason}`: it cannot be watched any more; `{signedOut: true}`;
   * `{rung}`: which transport came through (transports.js).
   * Returns `take(message)`: from the tab, and `close()`: it has gone.
   */
  join(post) {
    const tab = { post };
    this.#tabs.add(tab);
    return {
      take: (message) => this.#take(tab, message),
      close: () => {
        for (const topic of [...this.#topics.keys()]) this.#leave(tab, topic);
        this.#tabs.delete(tab);
        this.#settleSoon();
      },
    };
  }

  /**
   * `{viewer}`: who the tab is by its cookies; `{csrf}`: their token; `{leave: [topic]}`; `{watch: [[topic, seq, epoch]]}`,
   * seq null for a tab that has no state yet; `{online}`: what the browser says;
   * `{rung}`: where to begin. Any of them together, taken in this order.
   */
  #take(tab, { viewer, csrf, leave = [], watch = [], online, rung }) {
    // A page that the browser has kept comes back after its end.
    this.#tabs.add(tab);
    if (csrf !== undefined) this.#csrf = csrf;
    if (rung && !this.#source && !this.#failures) this.#ladder.begin(rung);
    for (const topic of leave) this.#leave(tab, topic);
    for (const [topic, seq, epoch] of watch) this.#watch(tab, topic, seq, epoch);
    if (viewer !== undefined && viewer !== this.#viewer) {
      // The connection belongs to whom the cookies named when it was opened.
      if (this.#viewer !== undefined && this.#source && this.#topics.size) this.#open({ beside: true });
      this.#viewer = viewer;
    }
    if (watch.length) tab.post({ state: this.#state, ...this.#refusal });
    if (online === false) {
      this.#offline = true;
      if (this.#topics.size) this.#lose();
    } else if (online || (watch.length && this.#state === "lost" && !this.#offline)) {
      this.#offline = false;
      if (online) this.#ladder.begin(0);
      if (this.#state === "lost" && this.#topics.size) this.#open();
    }
    this.#settleSoon();
  }

  #watch(tab, topic, seq, epoch) {
    const known = this.#topics.get(topic) ?? { tabs: new Map(), epoch: null, asked: false, ask: "", gapAt: -1, target: 0 };
    this.#topics.set(topic, known);
    if (seq !== null) known.epoch ??= epoch;
    // What a tab has of another history is nothing to go on from.
    known.tabs.set(tab, epoch === known.epoch ? seq : null);
    // Asked for even where the connection has it: between its drawing and now the page may have missed something.
    known.ask ||= "after";
  }

  #leave(tab, topic) {
    const known = this.#topics.get(topic);
    if (known?.tabs.delete(tab) && !known.tabs.size) this.#topics.delete(topic);
  }

  /** Forget a topic that cannot be watched, and tell its tabs. */
  #end(topic, reason) {
    const known = this.#topics.get(topic);
    this.#topics.delete(topic);
    this.#source?.held.delete(topic);
    for (const tab of known?.tabs.keys() ?? []) tab.post({ lost: topic, reason });
  }

  #set(state, refusal = null) {
    if (state === this.#state && !refusal) return;
    this.#state = state;
    this.#refusal = refusal;
    for (const tab of this.#tabs) tab.post({ state, ...refusal });
  }

  // The connection

  #wanted() {
    return [...this.#topics.keys()].sort((a, b) => rank(a) - rank(b)).slice(0, TOPICS_MAX);
  }

  /** After which seq to go on: behind what the tab that is furthest behind has. null: with the whole state. */
  #after(topic) {
    const { tabs, ask } = this.#topics.get(topic);
    const seqs = [...tabs.values()];
    // Of presence only the present counts.
    return ask === "afresh" || topic.startsWith("presence:") || seqs.includes(null) ? null : Math.min(...seqs);
  }

  #position(topic, seq) {
    return `${topic}@${this.#topics.get(topic).epoch}.${seq}`;
  }

  #clearTimer() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #close() {
    this.#clearTimer();
    clearTimeout(this.#helloTimer);
    this.#drop(this.#source);
    this.#drop(this.#next);
    this.#source = this.#next = null;
  }

  #drop(source) {
    source?.close();
    source?.witness?.close();
  }

  /** Open a connection. `beside`: keep the present one until the new one has said hello. */
  #open({ beside = false } = {}) {
    if (beside) {
      this.#clearTimer();
      this.#drop(this.#next);
    } else {
      this.#close();
    }
    let topics = this.#wanted();
    // One topic that is refused refuses them all, and a browser does not say why: try them one by one, the others are
    // added by POST, which answers for each.
    if (this.#failures > 1) topics = [topics[(this.#failures - 2) % topics.length]];
    // The hub keeps the positions itself: ids that name all topics would cost the server a writing of its own for each.
    const query = new URLSearchParams({ ids: "each", ...(this.as && { as: this.as }) });
    for (const topic of topics) query.append("topic", topic);
    for (const topic of topics) {
      const known = this.#topics.get(topic);
      const after = this.#after(topic);
      if (after !== null) query.append("after", this.#position(topic, after));
      Object.assign(known, { ask: "", asked: true });
    }
    const Transport = this.#ladder.transport;
    const source = Object.assign(new Transport(query, {
      names: EVENTS,
      isFirst: !this.#source?.connection,
      received: (name, data) => this.#received(source, name, data),
      failed: () => this.#failed(source),
      ended: () => (source === this.#source && source.connection ? this.#open({ beside: true }) : this.#failed(source)),
    }), { connection: "", held: new Set(), witness: null });
    if (beside && this.#source) this.#next = source;
    else this.#source = source;
    clearTimeout(this.#helloTimer);
    this.#helloTimer = setTimeout(() => this.#failed(source, { isMute: true }), this.#ladder.helloMs);
  }

  /** `isMute`: it has said no hello for as long as its transport may take. */
  #failed(source, { isMute = false } = {}) {
    if (source !== this.#source && source !== this.#next) return;
    if (!source.connection && !this.#offline && this.#ladder.failed({ isMute })) {
      return this.#open({ beside: source === this.#next && Boolean(this.#source.connection) });
    }
    if (source === this.#next && !source.isPoll) {
      // The old connection still serves; it will fail by itself when its node is gone.
      this.#drop(source);
      this.#next = null;
      if (this.#source.connection) return this.#settleSoon();
    }
    this.#lose();
  }

  #lose() {
    this.#close();
    this.#set("lost");
    const ceiling = Math.min(RETRY_MAX_MS, this.#retryMs * 2 ** this.#failures);
    this.#failures += 1;
    // A browser that says it is offline says when it is back; should it forget to, we look.
    this.#timer = setTimeout(() => this.#open(), this.#offline ? RETRY_MAX_MS : this.random() * ceiling);
  }

  #settleSoon() {
    if (this.#settling) return;
    this.#settling = true;
    queueMicrotask(() => {
      this.#settling = false;
      void this.#settle();
    });
  }

  /** Make the connection hold what the tabs want: open it, close it, or tell the server what has changed. */
  async #settle() {
    if (!this.#topics.size) {
      this.#close();
      this.#failures = 0;
      this.#set("connecting");
      return;
    }
    if (!this.#source) {
      if (this.#timer === null) this.#open();
      return;
    }
    const source = this.#source;
    // A poll is over when it is read: the next one names what is wanted by then.
    if (!source.connection || source.isPoll || this.#next || this.#posting) return;
    const wanted = this.#wanted();
    const asked = wanted.filter((topic) => !source.held.has(topic) || this.#topics.get(topic).ask);
    const left = [...source.held].filter((topic) => !wanted.includes(topic));
    if (!asked.length && !left.length) return;
    const subscribe = asked.map((topic) => {
      const after = this.#after(topic);
      Object.assign(this.#topics.get(topic), { ask: "", asked: true });
      return after === null ? { topic } : { topic, after: this.#position(topic, after) };
    });
    this.#posting = true;
    let answer = { status: 0, topics: {} };
    try {
      answer = await this.call({ connection: source.connection, subscribe, unsubscribe: left }, this.#csrf);
    } catch { /* The network: as if the server had not answered. */ } finally {
      this.#posting = false;
    }
    // Another connection, which asks anew for everything, has taken over or is about to.
    if (source !== this.#source || this.#next) return this.#settleSoon();
    if (answer.status === 200) this.#answered(source, left, answer.topics);
    // What the server does not answer by itself, a new connection does: it names all topics in its address.
    else if (answer.status === 0 || answer.status === 429 || answer.status >= 500) this.#lose();
    else this.#open();
  }

  #answered(source, left, topics) {
    for (const topic of left) source.held.delete(topic);
    let later = false;
    for (const [topic, { error }] of Object.entries(topics)) {
      if (!error) source.held.add(topic);
      else if (error.code === "unavailable") later = true;
      else this.#end(topic, error.code);
    }
    if (later) setTimeout(() => this.#settleSoon(), this.random() * RETRY_MAX_MS);
    else this.#settleSoon();
  }

  // What comes

  #received(source, name, data) {
    if (source !== this.#source && source !== this.#next) return;
    source.witness?.saw(data.hops?.n);
    if (name === "hello") return this.#greeted(source, data);
    if (name === "refused") return this.#refused(source, data);
    if (name === "drain") {
      this.#clearTimer();
      this.#timer = setTimeout(() => this.#open({ beside: true }), this.random() * (data.retry_ms ?? FIRST_RETRY_MS));
      return;
    }
    if (name === "bye") return this.#dismissed(source, data.reason);
    if (name === "unsubscribed") return this.#end(data.topic, data.reason);
    const known = this.#topics.get(data.topic);
    if (!known) return;
    if (name === "subscribed") this.#begun(source, data.topic, data);
    else if (name === "reset") this.#renewed(known, data, known.tabs.keys());
    else this.#pass(known, name, data);
    this.#show();
  }

  /** The site lets nobody more in: ask again after a time that grows, and say so. */
  #refused(source, { code, retry_ms: retryMs }) {
    if (source === this.#next || !REFUSALS.has(code)) return this.#failed(source);
    this.#close();
    const ms = Math.min(REFUSED_MAX_MS, retryMs * 2 ** this.#refusals) * (0.5 + this.random() / 2);
    this.#refusals += 1;
    this.#set("refused", { code, seconds: Math.ceil(ms / 1_000) });
    this.#timer = setTimeout(() => this.#open(), ms);
  }

  #greeted(source, data) {
    clearTimeout(this.#helloTimer);
    if (source === this.#next) {
      this.#drop(this.#source);
      [this.#source, this.#next] = [source, null];
    }
    this.#failures = this.#refusals = 0;
    if (this.#ladder.greeted(source.constructor)) for (const tab of this.#tabs) tab.post({ rung: this.#ladder.rung });
    this.#retryMs = data.retry_ms ?? FIRST_RETRY_MS;
    source.connection = data.connection;
    if (data.sample) source.witness = this.witness(data.connection, data.sample.every_ms);
    for (const [topic, opening] of Object.entries(data.topics)) this.#begun(source, topic, opening, { isNew: true });
    this.#show();
    this.#settleSoon();
  }

  /** The connection has a topic: with its state, or with what was missed, which follows. */
  #begun(source, topic, { epoch, seq, snapshot }, { isNew = false } = {}) {
    source.held.add(topic);
    const known = this.#topics.get(topic);
    if (!known) return;
    Object.assign(known, { asked: false, target: seq });
    if (!snapshot) return;
    // A tab that has followed this connection has it all; after a break nobody has.
    const isAll = isNew || epoch !== known.epoch;
    const needy = [...known.tabs].filter(([, has]) => isAll || has === null || has < seq).map(([tab]) => tab);
    this.#renewed(known, { topic, epoch, seq, snapshot, reason: "begun" }, needy);
  }

  #renewed(known, data, tabs) {
    Object.assign(known, { epoch: data.epoch, gapAt: -1, target: data.seq, asked: false });
    for (const tab of tabs) {
      known.tabs.set(tab, data.seq);
      tab.post({ event: "reset", data });
    }
  }

  /** Pass an event on to each tab that has not had it. Only durable ones have a seq. */
  #pass(known, name, data) {
    for (const [tab, seq] of known.tabs) {
      if (seq === null || (data.seq !== undefined && data.seq <= seq)) continue;
      if (data.seq > seq + 1) {
        known.target = Math.max(known.target, data.seq);
        this.#miss(known, data.topic);
        continue;
      }
      if (data.seq !== undefined) known.tabs.set(tab, data.seq);
      tab.post({ event: name, data });
    }
  }

  /** An event is missing: ask for it; when asking did not help, for everything. */
  #miss(known, topic) {
    if (known.asked || known.ask) return;
    const at = this.#after(topic);
    known.ask = known.gapAt === at ? "afresh" : "after";
    known.gapAt = at;
    this.#settleSoon();
  }

  #show() {
    if (!this.#source?.connection) return;
    const isBehind = [...this.#topics.values()].some(({ tabs, target }) => [...tabs.values()].some((seq) => seq !== null && seq < target));
    this.#set(isBehind ? "catching" : "live");
  }

  #dismissed(source, reason) {
    if (this.#next && reason === "signed_out") {
      // Whom the cookies name has changed, and the connection that knows it is on its way.
      this.#drop(this.#source);
      [this.#source, this.#next] = [this.#next, null];
      return;
    }
    const held = [...source.held];
    this.#close();
    if (reason === "signed_out") {
      this.#viewer = null;
      for (const topic of [...this.#topics.keys()]) if (rank(topic) > 0) this.#topics.delete(topic);
      for (const tab of this.#tabs) tab.post({ signedOut: true });
      // A public video goes on without a name.
      if (this.#topics.size) this.#lose();
    } else {
      for (const topic of held) this.#end(topic, reason);
    }
    this.#settleSoon();
  }
}
