// What those who moderate a channel see wait, as one value, and the rule by which the events of `moderation:<id>` change it.
// Pure. Promise: a snapshot with the events that follow is what a fresh snapshot says. The server's rule is in the parts of
// moderation/topics.py.

const isNewer = (one, other) => (one.complaints[0].id < other.complaints[0].id ? 1 : -1);
const isOlder = (one, other) => (one.id < other.id ? -1 : 1);

/** Return the items with one changed, or without it. */
function changed(items, item, isGone, order) {
  const others = items.filter(({ id }) => id !== item.id);
  return isGone ? others : [...others, item].sort(order);
}

/** Return the state after an event: `{epoch, seq, reported, held, gate, alarm}`, in the order of the server. */
export function apply(state, name, data) {
  if (name === "reset") {
    const { reported, held, gate, alarm } = data.snapshot;
    return { epoch: data.epoch, seq: data.seq, reported, held, gate, alarm };
  }
  const next = { ...state, seq: data.seq };
  switch (name) {
    case "reported":
    case "reported_settled":
      return { ...next, reported: changed(state.reported, data.reported, name === "reported_settled", isNewer) };
    case "comment_held":
    case "held_decided":
      return { ...next, held: changed(state.held, data.held, name === "held_decided", isOlder) };
    case "gate":
      return { ...next, gate: data.gate };
    case "alarm":
      return { ...next, alarm: data.alarm };
    default:
      return next;
  }
}
