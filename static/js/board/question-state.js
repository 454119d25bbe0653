// The questions that wait, as one value, and the one rule by which events change it. Pure: no page, no network.
//
// Promise: first(answer of the API) followed by apply(...) for every event equals first(...) of a later answer.

/** Return the state of a list from what the API answers. */
export const first = ({ topic, epoch, seq, snapshot, mine }) => ({ topic, epoch, seq, ...snapshot, mine });

const without = (items, id) => items.filter((item) => item.id !== id);

const withQuestion = (state, question) => ({
  ...state, questions: [...without(state.questions, question.id), question].sort((one, other) => one.id - other.id),
});

/** Return the state after an event. Unknown events change nothing; a durable one that was seen already neither. */
export function apply(state, name, data) {
  switch (name) {
    case "votes": return { ...state, votes: { total: data.total, kinds: data.kinds } };
    case "reset": return { ...state, ...data.snapshot, epoch: data.epoch, seq: data.seq };
    case "local_voted": return { ...state, mine: [...state.mine.filter((id) => id !== data.id), ...(data.mine ? [data.id] : [])] };
    // The viewer's own is there before its event is, if that ever comes.
    case "local_asked": return state.questions.some(({ id }) => id === data.question.id) ? state : withQuestion(state, data.question);
    default:
  }
  if (!["question", "question_gone", "access"].includes(name) || data.seq <= state.seq) return state;
  const next = { ...state, seq: data.seq };
  if (name === "question") return withQuestion(next, data.question);
  return name === "question_gone" ? { ...next, questions: without(state.questions, data.question.id) } : next;
}

/** Return the state after another answer of the API. Events may have come meanwhile: they are newer. */
export const again = (known, answer, mine) => ({ ...(answer.seq >= known.seq ? answer : known), votes: known.votes, mine });

/** The questions as they are shown, each with its votes: what is being answered, then those with most votes. */
export const ranked = ({ questions, votes, mine }) => questions
  .map((question) => ({ ...question, votes: votes.kinds[question.id] ?? 0, isMine: mine.includes(question.id) }))
  .sort((one, other) => Boolean(other.answering_at_ms) - Boolean(one.answering_at_ms) || other.votes - one.votes || one.id - other.id);
