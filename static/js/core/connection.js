// One connection of a hub, the transports that it may take, best first, and which of them is taken. Touches neither document
// nor window.
//
// An event stream that something between holds back until it ends (a proxy, an antivirus) is open and mute. Then comes a
// WebSocket, and where that is mute or refused too, polls: event streams that end by themselves every few seconds.
// Where a node itself gave the page by HTTP/2, the WebSocket comes first: it has a connection of its own, on which a frame
// costs the node less than on a stream among others.

import { Acknowledgements } from "./acknowledgements.js";

const STREAM_HELLO_MS = 8_000;
const SOCKET_HELLO_MS = 10_000;
const POLL_SECONDS = 4;
const POLL_HELLO_MS = 20_000;
const TRIES = 2;
const PROVEN_TRIES = 4;
const POLLING_MAX_MS = 15 * 60_000;
const PROTOCOL = "live.v1.json";

const socketUrl = (query) => `${location.origin.replace("http", "ws")}/ws?${query}`;

/** `GET /events` by the browser's own EventSource. */
class EventStream {
  static helloMs = STREAM_HELLO_MS;
  #source;

  constructor(query, { names, received, failed }) {
    this.#source = new EventSource(`/events?${query}`);
    for (const name of names) this.#source.addEventListener(name, ({ data }) => received(name, JSON.parse(data)));
    this.#source.addEventListener("error", failed);
  }

  close() {
    this.#source.close();
  }
}

/** `/ws`: the same events. The hub sends its commands by REST. */
class Socket {
  static helloMs = SOCKET_HELLO_MS;
  #socket;

  constructor(query, { received, failed }) {
    this.#socket = new WebSocket(socketUrl(query), PROTOCOL);
    this.#socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.event) received(message.event, message.data);
    });
    this.#socket.addEventListener("close", failed);
  }

  close() {
    this.#socket.close();
  }
}

/** An event stream of a few seconds, read when it is complete; the first ends at once. The next goes on where it ended. */
class Poll {
  static helloMs = POLL_HELLO_MS;
  static isPoll = true;
  #life = new AbortController();

  constructor(query, { received, failed, ended, isFirst }) {
    query.append("seconds", isFirst ? 0 : POLL_SECONDS);
    void this.#read(query, received).then(ended, failed);
  }

  async #read(query, received) {
    const { signal } = this.#life;
    const headers = { Accept: "text/event-stream" };
    const response = await fetch(`/events?${query}`, { headers, cache: "no-store", signal });
    if (!response.ok) throw new Error(String(response.status));
    for (const block of (await response.text()).split("\n\n")) {
      const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/, 2)));
      if (fields.has("data") && !signal.aborted) received(fields.get("event"), JSON.parse(fields.get("data")));
    }
  }

  close() {
    this.#life.abort();
  }
}

const TRANSPORTS = [EventStream, Socket, Poll];
const TRANSPORTS_BY_HTTP2 = [Socket, EventStream, Poll];

/** Whether a node gave this page by HTTP/2, and no proxy. Only then does an answer name it so. */
export const isByHttp2 = () =>
  (performance.getEntriesByType("navigation")[0]?.serverTiming ?? []).some(({ name }) => name === "node-h2");

/** Which transport is taken, and when the next one is. */
export class Fallback {
  #transports = TRANSPORTS;
  #level = 0;
  #since = 0;
  #provenLevel = 0;
  #failures = 0;

  /** The node speaks HTTP/2 with this browser. */
  useHttp2() {
    this.#transports = TRANSPORTS_BY_HTTP2;
  }

  /** How far down we are: 0 is the best. */
  get level() {
    return this.#level;
  }

  /** The transport to open now. Nobody polls for ever: what held streams back may be gone. */
  get transport() {
    if (this.#transports[this.#level].isPoll && Date.now() - this.#since > POLLING_MAX_MS) this.begin(0);
    return this.#transports[this.#level];
  }

  /** How long to wait for its hello. The second time twice as long: a node that many connect to is slow, not mute. */
  get helloMs() {
    return this.transport.helloMs * 2 ** this.#failures;
  }

  /** Begin where something came through before, or at the top: the network may be another. */
  begin(level) {
    this.#take(this.#transports[level] ? level : 0);
    this.#provenLevel = this.#level;
  }

  #take(level) {
    this.#failures = 0;
    if (level === this.#level) return;
    this.#level = level;
    this.#since = Date.now();
  }

  /** A transport has said hello. Returns whether it is another than the last that did. */
  greeted(transport) {
    this.#take(this.#transports.indexOf(transport));
    const isNews = this.#level !== this.#provenLevel;
    this.#provenLevel = this.#level;
    return isNews;
  }

  /**
   * A transport has failed before it said hello. `isMute`: it was open or opening all the time, and nothing came. Returns
   * whether to try at once again, or the next transport: the fault may be the transport's own.
   */
  failed({ isMute }) {
    this.#failures += 1;
    if (!isMute && this.#level === this.#provenLevel) {
      // It has come through before: the server does not answer, or a topic is refused. If it lasts, the network may be another.
      if (this.#failures >= PROVEN_TRIES) this.#take(0);
      return false;
    }
    if (this.#failures < TRIES) return true;
    this.#take((this.#level + 1) % this.#transports.length);
    return this.#level > 0;
  }
}

/** What it is called at the server, which topics it holds, how long its hello may take, which frames it acknowledges. */
export class Connection {
  /** The server's name of it, once it has said hello. */
  id = "";
  topics = new Set();
  #transport;
  #helloTimer;
  #acknowledgements = null;

  /**
   * Open one by the class `Transport`. `names`: of all events; `isFirst`: there is none yet that serves;
   * `received(name, data)`; `failed({isMute})`, `isMute`: there was no hello within `helloMs`; `ended()`: a poll is over.
   */
  constructor(Transport, query, { helloMs, received, failed, ...options }) {
    this.Transport = Transport;
    this.#helloTimer = setTimeout(() => failed({ isMute: true }), helloMs);
    this.#transport = new Transport(query, {
      ...options,
      received: (name, data) => {
        this.#acknowledgements?.add(data.hops?.n);
        received(name, data);
      },
      failed: () => failed({ isMute: false }),
    });
  }

  get hasGreeted() {
    return Boolean(this.id);
  }

  /** Take its hello. `acknowledge`: returns the acknowledgements of a connection (acknowledgements.js). */
  greeted({ connection, sample }, acknowledge = (...of) => new Acknowledgements(...of)) {
    clearTimeout(this.#helloTimer);
    this.id = connection;
    if (sample) this.#acknowledgements = acknowledge(connection, sample.every_ms);
  }

  close() {
    clearTimeout(this.#helloTimer);
    this.#transport.close();
    this.#acknowledgements?.close();
    this.#acknowledgements = null;
  }
}
