// What people write, comments and messages alike: lists of them, and texts that are not acknowledged yet with the one rule
// by which they change. `clientId` names each, the server takes it once. Pure: no page, no network.

export const without = (items, id) => items.filter((item) => item.id !== id);

/** Return the items with one more, in the order of their seq; one that is there already stays as it is. */
export function withAdded(items, added) {
  let at = items.length;
  while (at > 0 && items[at - 1].seq > added.seq) at -= 1;
  if (items[at - 1]?.id === added.id) return items;
  return [...items.slice(0, at), added, ...items.slice(at)];
}

/** Return what a guest wrote as it is once the guest has become an account. */
export const byAccount = (written, { from, viewer }) => (written.author.id === from ? { ...written, author: viewer, client_id: null } : written);

export const PendingState = Object.freeze({
  SENDING: "sending",
  /** For an answer of the server. */
  WAITING: "waiting",
  /** Refused, for a `reason`. */
  FAILED: "failed",
});

const changed = (pending, id, change) => pending.map((sent) => (sent.clientId === id ? { ...sent, ...change } : sent));

// `hasWaited`: it was not sent at once.
const waiting = (sent) => (sent.state === PendingState.FAILED ? sent : { ...sent, state: PendingState.WAITING, hasWaited: true });

/** What changes the `pending` of a state, by what happened. */
export const pendingRules = {
  local_sending: (state, sent) => {
    const isNew = state.pending.every(({ clientId }) => clientId !== sent.clientId);
    const change = { state: PendingState.SENDING, reason: "" };
    const pending = isNew ? [...state.pending, { ...sent, ...change }] : changed(state.pending, sent.clientId, change);
    return { ...state, pending };
  },
  local_waiting: (state) => ({ ...state, pending: state.pending.map(waiting) }),
  local_refused: (state, { clientId, reason }) =>
    ({ ...state, pending: changed(state.pending, clientId, { state: PendingState.FAILED, reason, hasWaited: true }) }),
  local_dropped: (state, { clientId }) => ({ ...state, pending: state.pending.filter((sent) => sent.clientId !== clientId) }),
  // What a page before this one has left.
  local_left: (state, { left }) => ({ ...state, pending: [...left.map(waiting), ...state.pending] }),
};

/** Return the state once a comment or message is there: if the viewer has sent it, it is not pending any more. */
export function acknowledged(state, { client_id: clientId, author }) {
  if (clientId === null || author.id !== state.viewer?.id) return state;
  const pending = state.pending.filter((sent) => sent.clientId !== clientId);
  return pending.length === state.pending.length ? state : { ...state, pending };
}

/** Return a pending text in the shape of a comment or message; it has no `id`. */
export const asWritten = ({ clientId, body, replyTo = null, atMs, state, reason }, viewer) => ({
  id: null, author: { ...viewer, role: null }, body, reply_to: replyTo, client_id: clientId, at_ms: atMs, pinned: false, edited_at_ms: null, state, reason,
});
