// One connection of a hub, by whichever transport: what it is called at the server, which topics it holds, how long its
// hello may take, which frames it acknowledges. Touches neither document nor window.

import { Acknowledgements } from "./acknowledgements.js";

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
