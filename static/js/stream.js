// The live connection of a page: one EventSource on /events, kept open. Calls back with every event; says how it is.
//
// After a break it resumes behind the last seq that the page has applied. Waiting times are drawn at random over their
// whole range, so that many viewers who lost a node do not come back in one instant.

import { EVENTS } from "./state.js";

const FIRST_RETRY_MS = 1_000;
const RETRY_MAX_MS = 20_000;
const HELLO_TIMEOUT_MS = 15_000;
const WAKE_CHECK_MS = 5_000;
const SLEPT_MS = 25_000;

export class Stream {
  #source = null;
  #next = null;
  #timer;
  #helloTimer;
  #failures = 0;
  #retryMs = FIRST_RETRY_MS;
  #target = 0;
  #stopped = true;
  #gapAt = -1;

  /**
   * `topic`: what to follow; `seq()`: the last durable event applied; `deliver(name, data)`: returns false when an
   * event is missing before this one; `changed(state)`: connecting, catching, live, lost or bye.
   */
  constructor({ topic, as, seq, deliver, changed, random = Math.random }) {
    Object.assign(this, { topic, as, seq, deliver, changed, random, state: "connecting" });
    let lastCheck = Date.now();
    setInterval(() => {
      // The machine slept: the connection is dead without knowing it.
      if (Date.now() - lastCheck > SLEPT_MS && !this.#stopped && !document.hidden) this.#open();
      lastCheck = Date.now();
    }, WAKE_CHECK_MS);
    addEventListener("online", () => this.retryNow());
    addEventListener("offline", () => { if (!this.#stopped) this.#lose(); });
    addEventListener("pagehide", () => this.pause());
    addEventListener("pageshow", (event) => { if (event.persisted) this.start(); });
  }

  start() {
    if (!this.#stopped || this.state === "bye") return;
    this.#stopped = false;
    this.#failures = 0;
    this.#open();
  }

  /** Let go of the connection until start() is called again: nobody looks at the page. */
  pause() {
    this.#stopped = true;
    this.#close();
  }

  /** Try at once instead of waiting for the next attempt. */
  retryNow() {
    if (!this.#stopped && this.state === "lost") this.#open();
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed(state);
  }

  #close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#helloTimer);
    this.#source?.close();
    this.#next?.close();
    this.#source = this.#next = null;
  }

  /**
   * Open a connection. `beside`: keep the present one until the new one has said hello (a node that drains).
   * `afresh`: ask for the whole state instead of what was missed.
   */
  #open({ beside = false, afresh = false } = {}) {
    if (beside) {
      clearTimeout(this.#timer);
      this.#next?.close();
    } else {
      this.#close();
    }
    const query = new URLSearchParams({ topic: this.topic });
    if (this.as) query.set("as", this.as); // watches without being counted
    if (!afresh) query.set("after", `${this.topic}@${this.seq()}`);
    const source = new EventSource(`/events?${query}`);
    if (beside && this.#source) this.#next = source;
    else this.#source = source;
    clearTimeout(this.#helloTimer);
    this.#helloTimer = setTimeout(() => this.#failed(source), HELLO_TIMEOUT_MS);
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#received(source, name, JSON.parse(event.data)));
    source.addEventListener("error", () => this.#failed(source));
  }

  #failed(source) {
    if (source !== this.#source && source !== this.#next) return;
    if (source === this.#next) {
      // The old connection still serves; it will fail by itself when its node is gone.
      source.close();
      this.#next = null;
      return;
    }
    this.#lose();
  }

  #lose() {
    this.#close();
    this.#set("lost");
    const ceiling = Math.min(RETRY_MAX_MS, this.#retryMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#open(), this.random() * ceiling);
  }

  #received(source, name, data) {
    if (source !== this.#source && source !== this.#next) return;
    if (name === "hello") this.#greeted(source, data);
    if (name === "drain") {
      this.#timer = setTimeout(() => this.#open({ beside: true }), this.random() * (data.retry_ms ?? FIRST_RETRY_MS));
      return;
    }
    if (name === "bye") {
      this.pause();
      this.#set("bye");
      return;
    }
    if (this.deliver(name, data) === false) {
      this.#repair();
      return;
    }
    if (this.seq() >= this.#target) this.#set("live");
  }

  /** An event is missing: ask for it; when asking did not help, for everything. */
  #repair() {
    const afresh = this.#gapAt === this.seq();
    this.#gapAt = this.seq();
    this.#set("catching");
    this.#open({ afresh });
  }

  #greeted(source, data) {
    clearTimeout(this.#helloTimer);
    if (source === this.#next) {
      this.#source?.close();
      [this.#source, this.#next] = [source, null];
    }
    this.#failures = 0;
    this.#retryMs = data.retry_ms ?? FIRST_RETRY_MS;
    const { seq = 0, snapshot = null } = data.topics[this.topic] ?? {};
    this.#target = snapshot ? 0 : seq;
    if (this.seq() < this.#target) this.#set("catching");
  }
}
