// The page of the rules without a reload: what waits, what is reported and the gate are drawn anew when the moderators' topic
// says that they have changed, as the server draws them. Without this script the page does the same when it is loaded again.

import "./emoji.js";
import { HubClient } from "../core/client.js";
import { byId, perFrame } from "../parts/dom.js";
import { localise } from "../parts/page.js";
import { EVENTS, KINDS } from "../topics.js";
import { apply } from "../moderation/state.js";

const PARTS = ["held-part", "reported-part", "gate-part"];
const FETCH_MS = 8_000;
const { channel, viewer } = byId("main").dataset;

let state = null;
let isAsked = false;
let isBusy = false;

/** Draw anew what is not as the server has it. The focus stays on the button where it was. */
async function redraw() {
  isAsked = true;
  if (isBusy) return;
  isBusy = true;
  try {
    while (isAsked) {
      isAsked = false;
      const response = await fetch(location.pathname, { signal: AbortSignal.timeout(FETCH_MS) });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of PARTS) replace(byId(part), fresh.getElementById(part));
    }
  } finally {
    isBusy = false;
  }
}

function replace(part, fresh) {
  if (!part || !fresh) return;
  localise(fresh);
  if (part.textContent === fresh.textContent) return;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const { value } = focused ?? {};
  const about = focused?.getAttribute("aria-describedby") ?? "";
  part.replaceChildren(...fresh.childNodes);
  if (focused) (part.querySelector(`button[value="${value}"][aria-describedby="${about}"]`) ?? part.querySelector("button"))?.focus();
}

const ask = perFrame(() => void redraw());

const client = new HubClient({
  worker: new URL("../worker.js", import.meta.url),
  kinds: KINDS,
  events: EVENTS,
  viewer,
  changed() {},
  signedOut() {},
});
client.watch(`moderation:${channel}`, {
  has: () => state,
  deliver(name, data) {
    const before = state;
    state = apply(state, name, data);
    if (["held", "reported", "gate", "alarm"].some((part) => state[part] !== before?.[part])) ask();
  },
  lost: () => { state = null; },
});
client.start();
document.addEventListener("visibilitychange", () => (document.hidden ? client.pause() : client.start()));
