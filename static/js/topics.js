// The kinds of topics of this site: what the hub needs to know of them.

import { EVENTS as INBOX_EVENTS } from "./inbox/state.js";
import { EVENTS as VIDEO_EVENTS } from "./watch/state.js";

// Those of a board and of questions, whose modules (board/) are loaded when there is one.
const BOARD_EVENTS = ["poll", "votes", "announcement", "goals", "raid", "raided", "access", "questions", "question", "question_gone"];

// Those of the moderators, too (moderation/state.js). A page reads few of them, but none may seem to be missing.
const MODERATION_EVENTS = [
  "act", "act_undone", "role", "person", "comment_held", "held_decided", "gate", "alarm", "reported", "reported_settled",
];

/** The names of all events that topics bring. */
export const EVENTS = [...new Set([...VIDEO_EVENTS, ...INBOX_EVENTS, ...BOARD_EVENTS, ...MODERATION_EVENTS])];

/**
 * By prefix, what a page cannot do without first: where there are too many topics, online dots are left out.
 * `isPrivate`: it ends with the session; `isStateOnly`: see core/topic.js.
 */
export const KINDS = {
  video: {},
  board: {},
  questions: {},
  user: { isPrivate: true },
  conversation: { isPrivate: true },
  moderation: { isPrivate: true },
  presence: { isPrivate: true, isStateOnly: true },
};
