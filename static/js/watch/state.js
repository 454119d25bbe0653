// What a watch page shows, as one value, and the one rule by which events change it. Pure: no page, no network.
//
// Promise: first(island) followed by apply(...) for every event equals first(...) of a page loaded afterwards, but for
// the older comments that this page has kept. The server's snapshot follows the same rule (videos/topics.py).

import { acknowledged, byAccount, pendingRules, withAdded, without } from "../core/pending.js";

/** Return the state of a page from the JSON island that the server wrote into it. */
export function first({
  topic, epoch, seq, snapshot, emoji = {}, viewer = null, mine = null, blocked = [], may = [],
  time_out_seconds_max: timeOutSecondsMax = 0, outranks_moderators: outranksModerators = false,
}) {
  return {
    topic, epoch, seq, ...snapshot, emoji, viewer, mine, blocked, may, timeOutSecondsMax, outranksModerators,
    pending: [], gone: new Set(), authors: {}, over: false, recording: null,
  };
}

/** Return the last `limit` comments and the rest of the state in the shape of the server's snapshot. */
export function snapshot({ video, likes, viewers, comments, pinned }, limit = 50) {
  return { video, likes: { total: likes.total, kinds: likes.kinds }, viewers, comments: comments.slice(-limit), pinned };
}

const replaced = (comments, changed) => comments.map((comment) => (comment.id === changed.id ? changed : comment));

const shown = (state, comment) =>
  (state.gone.has(comment.id) ? state : acknowledged({ ...state, comments: withAdded(state.comments, comment) }, comment));

function deleted(state, id) {
  return {
    ...state,
    comments: without(state.comments, id),
    pinned: without(state.pinned, id),
    // Remembered, so that a page of older comments that was under way does not bring it back.
    gone: new Set(state.gone).add(id),
  };
}

const edited = (state, comment) =>
  ({ ...state, comments: replaced(state.comments, comment), pinned: replaced(state.pinned, comment) });

const replacedBy = (state, { epoch, seq, snapshot: fresh }) => fresh.comments.reduce(acknowledged, { ...state, ...fresh, epoch, seq });

const pinnedLast = (state, comment) => ({
  ...state,
  comments: replaced(state.comments, comment),
  pinned: [...without(state.pinned, comment.id), comment],
});

function unpinned(state, id) {
  const comments = state.comments.map((comment) => (comment.id === id ? { ...comment, pinned: false } : comment));
  return { ...state, comments, pinned: without(state.pinned, id) };
}

const eachComment = (state, change) => ({ ...state, comments: state.comments.map(change), pinned: state.pinned.map(change) });

function withoutEmoji(state, { code }) {
  const { [code]: _, ...emoji } = state.emoji;
  return { ...state, emoji };
}

function restored(state, comment) {
  const gone = new Set(state.gone);
  gone.delete(comment.id);
  return shown({ ...state, gone }, comment);
}

// The order of durable events is their seq; each is shown once.
const durable = {
  comment: (state, data) => shown(state, data.comment),
  comment_edited: (state, data) => edited(state, data.comment),
  comment_deleted: (state, data) => deleted(state, data.comment.id),
  comment_pinned: (state, data) => pinnedLast(state, data.comment),
  comment_unpinned: (state, data) => unpinned(state, data.comment.id),
  video: (state, data) => ({ ...state, video: data.video }),
  comment_restored: (state, data) => restored(state, data.comment),
  emoji_added: (state, { emoji: { code, url } }) => ({ ...state, emoji: { ...state.emoji, [code]: url } }),
  emoji_deleted: (state, data) => withoutEmoji(state, data.emoji),
  merged: (state, { merged }) => eachComment(state, (comment) => byAccount(comment, merged)),
  author: (state, { author }) => ({
    ...eachComment(state, (comment) => (comment.author.id === author.id ? { ...comment, author } : comment)),
    authors: { ...state.authors, [author.id]: author },
    viewer: state.viewer?.id === author.id ? { ...state.viewer, name: author.name, picture: author.picture } : state.viewer,
  }),
};

const others = {
  reset: (state, data) => replacedBy(state, data),
  likes: (state, data) => ({ ...state, likes: { total: data.total, kinds: data.kinds } }),
  viewers: (state, data) => ({ ...state, viewers: { count: data.count, peak: data.peak } }),
};

// What happens on this page: the viewer joins, likes, writes; an answer of the API comes back.
const local = {
  local_viewer: (state, { viewer }) =>
    (viewer?.id === state.viewer?.id ? { ...state, viewer } : { ...state, viewer, mine: null, blocked: [], pending: [] }),
  local_emoji: (state, { emoji }) => ({ ...state, emoji }),
  local_blocked: (state, { blocked }) => ({ ...state, blocked }),
  local_mine: (state, { mine }) => ({ ...state, mine }),
  // An answer may be older than an event that came meanwhile: a new like never takes a total down.
  local_liked: (state, { total, kinds, mine }) =>
    mine !== null && total < state.likes.total ? { ...state, mine } : { ...state, mine, likes: { total, kinds } },
  ...pendingRules,
  local_posted: (state, { comment }) => shown(state, comment),
  local_edited: (state, { comment }) => edited(state, comment),
  local_deleted: (state, { id }) => deleted(state, id),
  local_older: (state, { items }) => {
    const fresh = items.filter((comment) => !state.gone.has(comment.id));
    return { ...state, comments: fresh.reduce(withAdded, state.comments) };
  },
  // A replay is at a moment: nothing that came later is shown. What was before all of it stays, unless one has jumped.
  local_moment: (state, { comments, sinceMs, pinned, likes, viewers, isJump }) => {
    const byAuthor = (comment) => (state.authors[comment.author.id] ? { ...comment, author: state.authors[comment.author.id] } : comment);
    const left = (some) => some.filter(({ id }) => !state.gone.has(id)).map(byAuthor);
    const older = isJump ? [] : state.comments.filter((comment) => comment.at_ms < sinceMs);
    return {
      ...state, comments: [...older, ...left(comments)], pinned: left(pinned), likes, viewers: { ...state.viewers, count: viewers },
    };
  },
  // The recording that plays, with its own clock (recording.js); null: none does.
  local_recording: (state, { recording }) => ({ ...state, recording }),
  // The video was deleted or is not for this viewer any more: what is shown stays, nothing more can be done.
  local_over: (state) => ({ ...state, over: true }),
  // What is far from what one reads is forgotten.
  local_trimmed: (state, { comments }) => ({ ...state, comments }),
};

/** Return the state after an event. Unknown events change nothing; a durable one that was seen already neither. */
export function apply(state, name, data) {
  if (Object.hasOwn(durable, name)) {
    return data.seq <= state.seq ? state : { ...durable[name](state, data), seq: data.seq };
  }
  const change = Object.hasOwn(others, name) ? others[name] : Object.hasOwn(local, name) ? local[name] : null;
  return change ? change(state, data) : state;
}

/** Whether viewers may like and comment at all. */
export const isOpen = ({ video, over }) => video.status !== "ended" && !over;

export const mayComment = ({ video, over }) =>
  video.comments_enabled && !over && (video.status !== "ended" || Boolean(video.comments_after_end));

/** Whether a comment was written after the broadcast had ended. */
export const isLater = ({ status, ended_at_ms: endedAtMs }, { at_ms: atMs }) => status === "ended" && endedAtMs !== null && atMs > endedAtMs;

/** What comes on the topic of a video; `typing` is shown by parts/typing.js, `reactions` by reactions.js. */
export const EVENTS = [...Object.keys(durable), ...Object.keys(others), "reactions", "typing"];
