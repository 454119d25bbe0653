// A page's end of the hub: which topics the page follows, and who handles what comes. All tabs of a browser share one
// hub in a SharedWorker; where there is none, or no lock to tell when a tab dies, the page has a hub of its own.

import { csrfToken } from "./api.js";
import { Hub, VERSION } from "./hub.js";
import { keep, kept } from "./storage.js";

const READY_MS = 5_000;

export class Line {
  #followers = new Map();
  #paused = true;
  #send = null;
  #drop = () => {};
  #viewer;
  #outgoing = null;

  /** `as`: see hub.js; `viewer`: the id of who looks, null for nobody; `changed(state, refusal)`: see hub.js; `signedOut()`. */
  constructor({ as, viewer, changed, signedOut }) {
    Object.assign(this, { as, changed, signedOut });
    this.#viewer = viewer;
    this.#connect();
    addEventListener("online", () => this.#send({ online: true }));
    addEventListener("offline", () => { if (!this.#paused) this.#send({ online: false }); });
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
    if (!this.#paused) this.#say({ watch: [this.#asked(topic)] });
  }

  leave(topic) {
    if (this.#followers.delete(topic) && !this.#paused) this.#say({ leave: [topic] });
  }

  /** Say that the page now belongs to this viewer: it has joined or signed in, or the session is over. */
  identify(viewer) {
    if (viewer === this.#viewer) return;
    this.#viewer = viewer;
    if (!this.#paused) this.#say({});
  }

  start() {
    if (!this.#paused) return;
    this.#paused = false;
    this.#say({ watch: [...this.#followers.keys()].map((topic) => this.#asked(topic)) });
  }

  #asked(topic) {
    const { epoch = null, seq = null } = this.#followers.get(topic).has() ?? {};
    return [topic, seq, epoch];
  }

  /** Let go of every topic until start() is called: nobody looks at the page. */
  pause() {
    if (this.#paused) return;
    this.#paused = true;
    this.#say({ leave: [...this.#followers.keys()] });
    this.#flush();
  }

  /** What is said in one go is sent as one: who joins leaves and watches topics. */
  #say({ leave = [], watch = [] }) {
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
    const rung = Number(kept("rung"));
    this.#send({ viewer: this.#viewer, csrf: csrfToken(), rung, leave: [...leave], watch: [...watch.values()] });
  }

  #received({ state, code, seconds, event, data, lost, reason, signedOut, rung }) {
    if (rung !== undefined) return keep("rung", rung ? String(rung) : "");
    if (signedOut) return this.signedOut();
    if (this.#paused) return;
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
    if (globalThis.SharedWorker && navigator.locks && !this.as) this.#share();
    else this.#keep();
  }

  /** Have a hub of this page alone. */
  #keep() {
    const tab = new Hub({ as: this.as, isAwake: () => !document.hidden }).join((message) => this.#received(message));
    this.#send = tab.take;
    this.#drop = () => {};
    document.documentElement.dataset.hub = "page";
  }

  /**
   * Have the hub of all tabs. Each side holds a lock as long as it lives: whoever gets the other's knows that the other
   * has gone, however it went. The worker may die with the process of another tab.
   */
  #share() {
    const worker = new SharedWorker(new URL("../worker.js", import.meta.url), { type: "module", name: `hub ${VERSION}` });
    const { port } = worker;
    const life = new AbortController();
    const { signal } = life;
    const locked = (name, options, work) =>
      void navigator.locks.request(name, { signal, ...options }, work).catch(() => { /* We have dropped it. */ });
    const instead = (connect) => {
      if (signal.aborted) return;
      this.#drop();
      connect();
      if (this.#paused) return;
      this.#paused = true;
      this.start();
    };
    const timer = setTimeout(() => instead(() => this.#keep()), READY_MS);
    worker.onerror = () => instead(() => this.#keep());
    port.onmessage = ({ data }) => {
      if (!data.ready) return this.#received(data);
      clearTimeout(timer);
      locked(data.ready, { mode: "shared" }, () => instead(() => this.#share()));
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
