// The hub of all tabs of this browser, in a SharedWorker.

import { Hub } from "./hub.js";

const hub = new Hub();

addEventListener("connect", ({ ports: [port] }) => {
  const tab = hub.join((message) => port.postMessage(message));
  port.addEventListener("message", ({ data }) => {
    // The tab holds this lock as long as it lives: whoever gets it knows that the tab has gone, however it went.
    if (data.lock) void navigator.locks.request(data.lock, () => tab.close());
    else tab.take(data);
  });
  port.start();
  port.postMessage({ ready: true });
});
