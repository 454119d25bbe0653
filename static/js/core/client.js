// A page's end of the hub: which topics the page follows, and who handles what comes. All tabs of a browser share one
// hub in a SharedWorker; where there is none, or no lock to tell when a tab dies, the page has a hub of its own.

import { csrfToken } from "./api.js";
import { isByHttp2 } from "./connection.js";
import { Hub, VERSION } from "./hub.js";
import { recall, remember } from "./storage.js";

const READY_MS = 5_000;
const LEVEL_KEY = "transport";

export class HubClient {
  #followers = new Map();
  #isPaused = true;
  #send = null;
  #drop = () => {};
  #viewer;
  #outgoing = null;

  /**
   * `worker`: the address of the shared hub; `kinds`, `events`, `as`: see hub.js; `viewer`: the id of the page's viewer, null
   * for nobody; `changed(state, refusal)`: see hub.js; `signedOut()`.
   */
  constructor({ worker, kinds, events, as, viewer, changed, signedOut }) {
    Object.assign(this, { worker, kinds, events, as, changed, signedOut });
    this.#viewer = viewer;
    this.#connect();
    addEventListener("online", () => this.#send({ online: true }));
    addEventListener("offline", () => { if (!this.#isPaused) this.#send({ online: false }); });
    addEventListener("pagehide", () => {
      this.pause();
      this.#drop();
    });
    addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      this.#connect();
      this.start();
    });
  }

  /**
   * Follow a topic. `has()`: the page's state of it with its `epoch` and `seq`, null while it has none;
   * `deliver(name, data)`: an event in its order, a whole state as `reset`; `lost(reason)`: no more will come.
   */
  watch(topic, follower) {
    this.#followers.set(topic, follower);
    if (!this.#isPaused) this.#queue({ watch: [this.#asked(topic)] });
  }

  leave(topic) {
    if (this.#followers.delete(topic) && !this.#isPaused) this.#queue({ leave: [topic] });
  }

  /** The page now belongs to this viewer: it has joined or signed in, or the session is over. */
  identify(viewer) {
    if (viewer === this.#viewer) return;
    this.#viewer = viewer;
    if (!this.#isPaused) this.#queue({});
  }

  start() {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#queue({ watch: [...this.#followers.keys()].map((topic) => this.#asked(topic)) });
  }

  #asked(topic) {
    const { epoch = null, seq = null } = this.#followers.get(topic).has() ?? {};
    return [topic, seq, epoch];
  }

  /** Let go of every topic until start() is called: nobody looks at the page. */
  pause() {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#queue({ leave: [...this.#followers.keys()] });
    this.#flush();
  }

  /** What is asked in one go is sent as one: who joins leaves and watches topics. */
  #queue({ leave = [], watch = [] }) {
    if (!this.#outgoing) {
      this.#outgoing = { leave: new Set(), watch: new Map() };
      queueMicrotask(() => this.#flush());
    }
    for (const topic of leave) {
      this.#outgoing.watch.delete(topic);
      this.#outgoing.leave.add(topic);
    }
    for (const asked of watch) this.#outgoing.watch.set(asked[0], asked);
  }

  #flush() {
    if (!this.#outgoing) return;
    const { leave, watch } = this.#outgoing;
    this.#outgoing = null;
    const level = Number(recall(LEVEL_KEY));
    const asked = { leave: [...leave], watch: [...watch.values()] };
    this.#send({ viewer: this.#viewer, csrf: csrfToken(), http2: isByHttp2(), level, ...asked });
  }

  #received({ state, code, seconds, event, data, lost, reason, signedOut, level }) {
    if (level !== undefined) return remember(LEVEL_KEY, level ? String(level) : "");
    if (signedOut) return this.signedOut();
    if (this.#isPaused) return;
    if (state) this.changed(state, { code, seconds });
    if (event) this.#followers.get(data.topic)?.deliver(event, data);
    if (lost) {
      const follower = this.#followers.get(lost);
      this.#followers.delete(lost);
      follower?.lost?.(reason);
    }
  }

  #connect() {
    // What a connection counts as is true of all that it watches: a page that does not count has its own.
    if (globalThis.SharedWorker && navigator.locks && !this.as) this.#shareHub();
    else this.#ownHub();
  }

  /** Have a hub of this page alone. */
  #ownHub() {
    const { kinds, events, as } = this;
    const tab = new Hub({ kinds, events, as, isAwake: () => !document.hidden }).join((message) => this.#received(message));
    this.#send = tab.take;
    this.#drop = () => {};
    document.documentElement.dataset.hub = "page";
  }

  /**
   * Have the hub of all tabs. Each side holds a lock as long as it lives: if one side gets the other's lock, the other
   * side has gone. The worker may die with the process of another tab.
   */
  #shareHub() {
    const worker = new SharedWorker(this.worker, { type: "module", name: `hub ${VERSION}` });
    const { port } = worker;
    const life = new AbortController();
    const { signal } = life;
    const locked = (name, options, work) =>
      void navigator.locks.request(name, { signal, ...options }, work).catch(() => { /* We have dropped it. */ });
    const instead = (connect) => {
      if (signal.aborted) return;
      this.#drop();
      connect();
      if (this.#isPaused) return;
      this.#isPaused = true;
      this.start();
    };
    const timer = setTimeout(() => instead(() => this.#ownHub()), READY_MS);
    worker.onerror = () => instead(() => this.#ownHub());
    port.onmessage = ({ data }) => {
      if (!data.ready) return data.forEach((message) => this.#received(message));
      clearTimeout(timer);
      locked(data.ready, { mode: "shared" }, () => instead(() => this.#shareHub()));
      document.documentElement.dataset.hub = "shared";
    };
    const name = `tab ${crypto.randomUUID()}`;
    locked(name, {}, () => {
      port.postMessage({ lock: name });
      return new Promise((resolve) => { signal.addEventListener("abort", resolve); });
    });
    this.#send = (message) => port.postMessage(message);
    this.#drop = () => {
      clearTimeout(timer);
      life.abort();
      port.close();
    };
  }
}
