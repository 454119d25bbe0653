// What is beside the picture, as one value, and the one rule by which events change it. Pure: no page, no network.
//
// Promise: first(answer of the API) followed by apply(...) for every event equals first(...) of a later answer.

const SLOTS = ["poll", "announcement", "goals", "raid", "raided", "questions", "access"];

/** Return the state of a board from what the API answers. */
export const first = ({ topic, epoch, seq, snapshot, mine }) => ({ topic, epoch, seq, ...snapshot, mine });

const withPoll = (state, poll) => (poll?.id === state.poll?.id ? { ...state, poll } : { ...state, poll, mine: null });

/** Return the state after an event. Unknown events change nothing; a durable one that was seen already neither. */
export function apply(state, name, data) {
  if (SLOTS.includes(name)) {
    if (data.seq <= state.seq) return state;
    return { ...(name === "poll" ? withPoll(state, data.poll) : state), [name]: data[name], seq: data.seq };
  }
  if (name === "votes") return { ...state, votes: { total: data.total, kinds: data.kinds } };
  if (name === "reset") return { ...withPoll(state, data.snapshot.poll), ...data.snapshot, epoch: data.epoch, seq: data.seq };
  if (name === "local_voted") return data.poll === state.poll?.id ? { ...state, mine: data.mine } : state;
  return state;
}

/** Return the state after another answer of the API. Events may have come meanwhile: they are newer. Votes only grow. */
export function again(known, answer) {
  const isSame = answer.poll?.id === known.poll?.id;
  const state = { ...(answer.seq >= known.seq ? answer : known), mine: answer.mine ?? (isSame ? known.mine : null) };
  return isSame && known.votes.total > state.votes.total ? { ...state, votes: known.votes } : state;
}

/** Whether the poll is open at a moment. `video`: null in a replay, where it has not ended yet. */
export const isOpen = (poll, video, nowMs) => video?.status !== "ended" && (poll.ends_at_ms === null || poll.ends_at_ms > nowMs);

/** The options of the poll, each with its votes and its share of all: 0 to 1. */
export function standing({ poll, votes }) {
  const counted = poll.options.map((option) => ({ ...option, votes: votes.kinds[option.id] ?? 0 }));
  const total = counted.reduce((sum, option) => sum + option.votes, 0);
  return { total, options: counted.map((option) => ({ ...option, share: total ? option.votes / total : 0 })) };
}
