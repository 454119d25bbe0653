// What was written and is not acknowledged yet, comments or messages: sent one after the other, in the order in which
// they were written, again and again while nobody answers. The server takes a client_id once, so what was sent twice is
// there once. What waits outlives a reload of the page.

import { ApiError } from "./api.js";
import { keep, kept } from "./storage.js";
import { say } from "./words.js";

const RETRY_MS = [2_000, 5_000, 10_000, 20_000];

/** The row of a text in a list: `state` of what is sent, what is said of it, and what can be done. */
export function paintUnsent(row, { state = "", reason = "" }) {
  for (const name of ["sending", "waiting", "failed"]) row.classList.toggle(name, state === name);
  const line = row.querySelector(".comment-state");
  line.hidden = state !== "waiting" && state !== "failed";
  line.firstElementChild.textContent = state === "waiting" ? say("waits") : state === "failed" ? say("not_sent", { reason }) : "";
}

/**
 * `store`: its state has `viewer` and `pending`; `key(viewer)`: under which what waits is kept; `post(sent)`: returns the
 * answer, `posted(answer)`; `takesBack(error, sent)`: says why it was refused where it was written and returns true, or false.
 */
export function setUpOutbox({ store, key, post, posted, takesBack }) {
  let viewerId = null;
  let known = store.state.pending;
  let isSending = false;
  let timer;
  let tries = 0;

  const next = () => store.state.pending.find(({ state }) => state !== "failed");

  async function run() {
    if (isSending) return;
    isSending = true;
    clearTimeout(timer);
    try {
      for (let sent = next(); sent; sent = next()) if (!await attempt(sent)) break;
    } finally {
      isSending = false;
    }
  }

  /** Send one. Returns whether to go on with the next. */
  async function attempt(sent) {
    const { clientId, hasWaited } = sent;
    const who = store.state.viewer.id;
    try {
      posted(await post(sent));
      tries = 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passing) return wait(0);
      const isHere = store.state.viewer?.id === who;
      if ((hasWaited && isHere) || !takesBack(error, sent)) {
        if (error.status === 429) return wait(error.retryAfter * 1_000);
        store.dispatch("local_refused", { clientId, reason: error.advice });
        return isHere;
      }
    }
    store.dispatch("local_dropped", { clientId });
    return true;
  }

  function wait(leastMs) {
    store.dispatch("local_waiting", {});
    const ms = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] * (0.5 + Math.random() / 2);
    tries += 1;
    timer = setTimeout(() => void run(), Math.max(leastMs, ms));
    return false;
  }

  return {
    /** Send a text, or one that waits or was refused again. */
    send(sent) {
      store.dispatch("local_sending", sent);
      tries = 0;
      void run();
    },
    /** The connection is back. */
    wake() {
      tries = 0;
      void run();
    },
    /** Keep what waits; take up what the viewer has left here before. */
    remember({ viewer, pending }) {
      if ((viewer?.id ?? null) === viewerId) {
        if (viewer && pending !== known) keep(key(viewer), pending.length ? JSON.stringify(pending) : "");
        known = pending;
        return;
      }
      viewerId = viewer?.id ?? null;
      known = pending;
      const left = JSON.parse((viewer && kept(key(viewer))) || "[]");
      if (!left.length) return;
      store.dispatch("local_left", { left });
      void run();
    },
  };
}
