// The bell on pages without an inbox: it follows the viewer's own topic for its numbers alone.

import { HubClient } from "../core/client.js";
import { drawBell } from "../inbox/bell.js";
import { apply, first } from "../inbox/state.js";
import { byId } from "../parts/dom.js";
import { EVENTS, KINDS } from "../topics.js";

// One who looks elsewhere for long is not online by this page.
const HIDDEN_MS = 300_000;

/** Keep the bell up to date. `changed()`: what was said to the viewer is different now. */
export function followBell(changed = () => {}) {
  const bell = byId("bell");
  let state = first({ id: bell.dataset.viewer });
  const client = new HubClient({
    worker: new URL("../worker.js", import.meta.url),
    kinds: KINDS,
    events: EVENTS,
    viewer: state.viewer.id,
    changed() { /* The bell shows no line of its own. */ },
    signedOut() { bell.hidden = true; },
  });
  client.watch(state.inbox.topic, {
    has: () => state.inbox,
    deliver(name, data) {
      const { seq } = state.inbox;
      state = apply(state, name, data);
      drawBell(state);
      if (seq !== null && (name === "notices" || name === "reset")) changed();
    },
    lost() { /* The session is over: `signedOut` says so. */ },
  });
  let hiddenTimer;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => client.pause(), HIDDEN_MS);
    else client.start();
  });
  client.start();
}
