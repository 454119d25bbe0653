// The hub of all tabs of this browser, in a SharedWorker.

import { inBundles } from "./core/bundle.js";
import { Hub } from "./core/hub.js";
import { EVENTS, KINDS } from "./topics.js";
// What these import: named here, all are asked for at once, not one rank after the other.
import "./core/acknowledgements.js";
import "./core/backoff.js";
import "./core/connection.js";
import "./core/pending.js";
import "./core/topic.js";
import "./inbox/state.js";
import "./watch/state.js";

const hub = new Hub({ kinds: KINDS, events: EVENTS });
// Held as long as this worker lives; see core/client.js.
const life = `hub ${crypto.randomUUID()}`;
const alive = new Promise((resolve) => {
  void navigator.locks.request(life, () => {
    resolve();
    return new Promise(() => {});
  });
});

addEventListener("connect", async ({ ports: [port] }) => {
  const tab = hub.join(inBundles((messages) => port.postMessage(messages), ({ event }) => event === "comment"));
  port.addEventListener("message", ({ data }) => {
    if (data.lock) void navigator.locks.request(data.lock, () => tab.close());
    else tab.take(data);
  });
  port.start();
  await alive;
  port.postMessage({ ready: life });
});
