// The connection of a whole browser: one stream of events for the topics of all its tabs. Runs in a SharedWorker
// (worker.js) or, where there is none, in each page (client.js). Touches neither document nor window.
//
// Promise: a tab gets every durable event of its topics once and in order of seq, from after the seq that it says it
// has; what is no longer at hand, or of another epoch, comes as `reset` with a fresh state. The same after a break. The
// first topics go into the address of the connection, later ones are added by POST /subscriptions. Where a transport is
// mute the next one is tried, and the pages show nothing of it.

import { Backoff } from "./backoff.js";
import { Connection, Fallback } from "./connection.js";
import { Topic } from "./topic.js";

/** Of the messages between tab and hub. A worker of an older release goes on serving the tabs that it has. */
export const VERSION = 5;

const OWN_EVENTS = ["hello", "subscribed", "unsubscribed", "reset", "drain", "refused", "bye"];
const FIRST_RETRY_MS = 1_000;
const RETRY_MAX_MS = 20_000;
const REFUSED_MAX_MS = 120_000;
/** Refusals that the viewer reads: others are over in a moment. */
const REFUSALS = new Set(["network_full", "too_many_connections", "full"]);
const CALL_TIMEOUT_MS = 15_000;
const WAKE_CHECK_MS = 5_000;
const SLEPT_MS = 25_000;
const TOPICS_MAX = 50;

async function postSubscriptions(body, csrf) {
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
  #topics = new Map();
  #connection = null;
  /** Opened beside the connection, which serves until this one has said hello. */
  #successor = null;
  #fallback = new Fallback();
  #openTimer = null;
  #lostBackoff;
  #refusedBackoff;
  #state = "connecting";
  #refusal = null;
  #viewer;
  #csrf = "";
  #isOffline = false;
  #isPosting = false;
  #isSettling = false;

  /**
   * `kinds`, `events`: see topics.js. `as`: embed or dock watch without being counted; `call(body, csrf)`: POST
   * /subscriptions; `isAwake()`: false while nobody looks and timers are held back; `acknowledge`: see connection.js.
   */
  constructor({ kinds, events, as = "", call = postSubscriptions, random = Math.random, isAwake = () => true, acknowledge }) {
    Object.assign(this, { kinds, as, call, random, acknowledge, names: new Set([...events, ...OWN_EVENTS]) });
    this.ranks = Object.keys(kinds);
    this.#lostBackoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: RETRY_MAX_MS, random });
    this.#refusedBackoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: REFUSED_MAX_MS, least: 0.5, random });
    let lastCheck = Date.now();
    setInterval(() => {
      // The machine slept: the connection is dead without knowing it.
      if (Date.now() - lastCheck > SLEPT_MS && this.#topics.size && isAwake()) {
        this.#fallback.begin(0);
        this.#open();
      }
      lastCheck = Date.now();
    }, WAKE_CHECK_MS);
  }

  // The tabs

  /**
   * Let a tab in. `post(message)`: to the tab, `{state}`: connecting, catching, live, lost, or refused with `code` and
   * `seconds`, until we ask again; `{event, data}`; `{lost: topic, reason}`: it cannot be watched any more; `{signedOut: true}`;
   * `{level}`: which transport came through (connection.js).
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
   * `{http2}`: a node gave the page by HTTP/2; `{level}`: where to begin. Any of them together, taken in this order.
   */
  #take(tab, { viewer, csrf, leave = [], watch = [], online, http2, level }) {
    // A page that the browser has kept comes back after its end.
    this.#tabs.add(tab);
    if (csrf !== undefined) this.#csrf = csrf;
    if (http2 && !this.#connection) this.#fallback.useHttp2();
    if (level && !this.#connection && !this.#lostBackoff.failures) this.#fallback.begin(level);
    for (const topic of leave) this.#leave(tab, topic);
    for (const [topic, seq, epoch] of watch) this.#watch(tab, topic, seq, epoch);
    if (viewer !== undefined) this.#identify(viewer);
    if (watch.length) tab.post({ state: this.#state, ...this.#refusal });
    const isAsked = online || (watch.length > 0 && this.#state === "lost" && !this.#isOffline);
    if (online === false) this.#goOffline();
    else if (isAsked) this.#comeBack({ isAnotherNetwork: Boolean(online) });
    this.#settleSoon();
  }

  #watch(tab, name, seq, epoch) {
    if (!this.#topics.has(name)) this.#topics.set(name, new Topic(name, this.#kind(name)));
    this.#topics.get(name).join(tab, seq, epoch);
  }

  #leave(tab, name) {
    const topic = this.#topics.get(name);
    if (topic?.leave(tab) && !topic.tabs.length) this.#topics.delete(name);
  }

  /** The connection belongs to the viewer that the cookies named when it was opened: another one needs another. */
  #identify(viewer) {
    if (viewer === this.#viewer) return;
    if (this.#viewer !== undefined && this.#connection && this.#topics.size) this.#open({ beside: true });
    this.#viewer = viewer;
  }

  #goOffline() {
    this.#isOffline = true;
    if (this.#topics.size) this.#lose();
  }

  #comeBack({ isAnotherNetwork }) {
    this.#isOffline = false;
    if (isAnotherNetwork) this.#fallback.begin(0);
    if (this.#state === "lost" && this.#topics.size) this.#open();
  }

  /** Forget a topic that cannot be watched. */
  #end(name, reason) {
    const topic = this.#topics.get(name);
    this.#topics.delete(name);
    this.#connection?.topics.delete(name);
    for (const tab of topic?.tabs ?? []) tab.post({ lost: name, reason });
  }

  #set(state, refusal = null) {
    if (state === this.#state && !refusal) return;
    this.#state = state;
    this.#refusal = refusal;
    for (const tab of this.#tabs) tab.post({ state, ...refusal });
  }

  // The connection

  #prefix(name) {
    return name.slice(0, name.indexOf(":"));
  }

  #kind(name) {
    return this.kinds[this.#prefix(name)];
  }

  /** The topics that a connection has to hold, the most important first. */
  #wanted() {
    const rank = ({ name }) => this.ranks.indexOf(this.#prefix(name));
    return [...this.#topics.values()].sort((a, b) => rank(a) - rank(b)).slice(0, TOPICS_MAX);
  }

  #close() {
    this.#openAfter(null);
    this.#connection?.close();
    this.#successor?.close();
    this.#connection = this.#successor = null;
  }

  /** Open a connection in so many milliseconds; null: not by itself. */
  #openAfter(ms, options) {
    clearTimeout(this.#openTimer);
    this.#openTimer = ms === null ? null : setTimeout(() => this.#open(options), ms);
  }

  /** Open a connection. `beside`: keep the present one until the new one has said hello. */
  #open({ beside = false } = {}) {
    if (beside) {
      this.#openAfter(null);
      this.#successor?.close();
    } else {
      this.#close();
    }
    const connection = new Connection(this.#fallback.transport, this.#query(), {
      helloMs: this.#fallback.helloMs,
      names: this.names,
      isFirst: !this.#connection?.hasGreeted,
      received: (name, data) => this.#received(connection, name, data),
      failed: (how) => this.#failed(connection, how),
      ended: () => this.#ended(connection),
    });
    if (beside && this.#connection) this.#successor = connection;
    else this.#connection = connection;
  }

  /** What the address of a connection says. */
  #query() {
    let topics = this.#wanted();
    const { failures } = this.#lostBackoff;
    // One topic that is refused refuses them all, and a browser does not say why: try them one by one, the others are
    // added by POST, which answers for each.
    if (failures > 1) topics = [topics[(failures - 2) % topics.length]];
    // The hub keeps the positions itself: ids that name all topics would cost the server a writing of its own for each.
    const query = new URLSearchParams({ ids: "each", ...(this.as && { as: this.as }) });
    for (const { name } of topics) query.append("topic", name);
    for (const { after } of topics.map((topic) => topic.ask())) if (after) query.append("after", after);
    return query;
  }

  #isOurs(connection) {
    return connection === this.#connection || connection === this.#successor;
  }

  /** A poll is over. */
  #ended(connection) {
    if (connection === this.#connection && connection.hasGreeted) this.#open({ beside: true });
    else this.#failed(connection, { isMute: false });
  }

  #failed(connection, { isMute }) {
    // One that waits for its hello has a successor: then that counts.
    if (!this.#isOurs(connection) || (isMute && connection === this.#connection && this.#successor)) return;
    if (!connection.hasGreeted && !this.#isOffline && this.#fallback.failed({ isMute })) {
      this.#open({ beside: connection === this.#successor && this.#connection.hasGreeted });
      return;
    }
    if (connection === this.#successor && !connection.Transport.isPoll) {
      // The old connection still serves; it will fail by itself when its node is gone.
      connection.close();
      this.#successor = null;
      if (this.#connection.hasGreeted) return this.#settleSoon();
    }
    this.#lose();
  }

  #lose() {
    this.#close();
    this.#set("lost");
    const ms = this.#lostBackoff.next();
    // A browser that says it is offline says when it is back; should it forget to, we look.
    this.#openAfter(this.#isOffline ? RETRY_MAX_MS : ms);
  }

  // What the connection holds

  #settleSoon() {
    if (this.#isSettling) return;
    this.#isSettling = true;
    queueMicrotask(() => {
      this.#isSettling = false;
      this.#settle();
    });
  }

  /** Make the connection hold what the tabs want: open it, close it, or tell the server what has changed. */
  #settle() {
    if (!this.#topics.size) {
      this.#close();
      this.#lostBackoff.reset();
      this.#set("connecting");
    } else if (!this.#connection) {
      if (this.#openTimer === null) this.#open();
    } else if (this.#connection.hasGreeted && !this.#connection.Transport.isPoll && !this.#successor && !this.#isPosting) {
      // A poll is over when it is read: the next one names what is wanted by then.
      void this.#subscribe(this.#connection);
    }
  }

  async #subscribe(connection) {
    const wanted = this.#wanted();
    const due = wanted.filter((topic) => topic.isDue || !connection.topics.has(topic.name));
    const left = [...connection.topics].filter((name) => wanted.every((topic) => topic.name !== name));
    if (!due.length && !left.length) return;
    const subscribe = due.map((topic) => topic.ask());
    this.#isPosting = true;
    let answer = { status: 0, topics: {} };
    try {
      answer = await this.call({ connection: connection.id, subscribe, unsubscribe: left }, this.#csrf);
    } catch { /* The network: as if the server had not answered. */ } finally {
      this.#isPosting = false;
    }
    // Another connection, which asks anew for everything, has taken over or is about to.
    if (connection !== this.#connection || this.#successor) this.#settleSoon();
    else if (answer.status === 200) this.#subscribed(connection, left, answer.topics);
    // What the server does not answer by itself, a new connection does: it names all topics in its address.
    else if (answer.status === 0 || answer.status === 429 || answer.status >= 500) this.#lose();
    else this.#open();
  }

  #subscribed(connection, left, answers) {
    for (const name of left) connection.topics.delete(name);
    let isForLater = false;
    for (const [name, { error }] of Object.entries(answers)) {
      if (!error) connection.topics.add(name);
      else if (error.code === "unavailable") isForLater = true;
      else this.#end(name, error.code);
    }
    if (isForLater) setTimeout(() => this.#settleSoon(), this.random() * RETRY_MAX_MS);
    else this.#settleSoon();
  }

  // What comes

  #received(connection, name, data) {
    if (!this.#isOurs(connection)) return;
    if (name === "hello") this.#greeted(connection, data);
    else if (name === "refused") this.#refused(connection, data);
    else if (name === "drain") this.#openAfter(this.random() * (data.retry_ms ?? FIRST_RETRY_MS), { beside: true });
    else if (name === "bye") this.#dismissed(connection, data.reason);
    else if (name === "unsubscribed") this.#end(data.topic, data.reason);
    else this.#deliver(connection, name, data);
  }

  #deliver(connection, name, data) {
    const topic = this.#topics.get(data.topic);
    if (!topic) return;
    if (name === "subscribed") this.#answered(connection, data.topic, data);
    else if (name === "reset") this.#post(topic.reset(data), "reset", data);
    else {
      this.#post(topic.take(data), name, data);
      if (topic.isDue) this.#settleSoon();
    }
    this.#show();
  }

  #post(tabs, event, data) {
    for (const tab of tabs) tab.post({ event, data });
  }

  /** The connection has a topic. */
  #answered(connection, name, opening, options) {
    connection.topics.add(name);
    const { epoch, seq, snapshot } = opening;
    const needy = this.#topics.get(name)?.answered(opening, options) ?? [];
    this.#post(needy, "reset", { topic: name, epoch, seq, snapshot, reason: "begun" });
  }

  /** The site lets nobody more in: ask again after a time that grows, and say so. */
  #refused(connection, { code, retry_ms: retryMs }) {
    if (connection === this.#successor || !REFUSALS.has(code)) return this.#failed(connection, { isMute: false });
    this.#close();
    this.#refusedBackoff.firstMs = retryMs;
    const ms = this.#refusedBackoff.next();
    this.#set("refused", { code, seconds: Math.ceil(ms / 1_000) });
    this.#openAfter(ms);
  }

  #greeted(connection, data) {
    connection.greeted(data, this.acknowledge);
    if (connection === this.#successor) this.#succeed();
    this.#lostBackoff.reset();
    this.#refusedBackoff.reset();
    this.#lostBackoff.firstMs = data.retry_ms ?? FIRST_RETRY_MS;
    if (this.#fallback.greeted(connection.Transport)) for (const tab of this.#tabs) tab.post({ level: this.#fallback.level });
    for (const [name, opening] of Object.entries(data.topics)) this.#answered(connection, name, opening, { isNew: true });
    this.#show();
    this.#settleSoon();
  }

  /** The successor takes over. */
  #succeed() {
    this.#connection.close();
    [this.#connection, this.#successor] = [this.#successor, null];
  }

  /** Say whether every tab has what the server has. */
  #show() {
    if (!this.#connection?.hasGreeted) return;
    this.#set([...this.#topics.values()].some((topic) => topic.isBehind) ? "catching" : "live");
  }

  #dismissed(connection, reason) {
    // The viewer has changed, and the connection that knows it is on its way.
    if (this.#successor && reason === "signed_out") return this.#succeed();
    this.#close();
    if (reason === "signed_out") this.#signOut();
    else for (const name of connection.topics) this.#end(name, reason);
    this.#settleSoon();
  }

  /** The session is over. A public video goes on without a name. */
  #signOut() {
    this.#viewer = null;
    for (const name of [...this.#topics.keys()]) if (this.#kind(name)?.isPrivate) this.#topics.delete(name);
    for (const tab of this.#tabs) tab.post({ signedOut: true });
    if (this.#topics.size) this.#lose();
  }
}
