// What the inbox beside the video shows, as one value, and the one rule by which events change it: the conversations,
// the one that is open, who is online. Pure: no page, no network.
//
// Promise: a state and the events that follow it equal a state read afterwards, but for the older messages that the
// page has kept. The server's snapshots follow the same rule (messaging/topics.py).

import { acknowledged, byAccount, pendingRules, withAdded, without } from "../core/pending.js";

/** Return the state before anything has come. `viewer`: who looks, null for nobody. */
export function first(viewer) {
  return {
    viewer,
    inbox: { topic: viewer ? `user:${viewer.id}` : null, seq: null, conversations: [], blocked: [], notices: { unread: 0, counts_messages: true } },
    thread: null,
    presence: {},
    pending: [],
  };
}

/** Return what the server's snapshot of the viewer's own topic holds. */
export const inboxSnapshot = ({ inbox: { conversations, blocked, notices } }, limit = 50) =>
  ({ conversations: conversations.slice(0, limit), blocked, notices });

/** Return what the server's snapshot of the open conversation holds. */
export const threadSnapshot = ({ thread: { conversation, messages, seen } }, limit = 50) =>
  ({ conversation, messages: messages.slice(-limit), seen });

/** How many messages are unread; 0 for a viewer who does not want to see the number. */
export const unreadOf = ({ inbox }) =>
  (inbox.notices.counts_messages ? inbox.conversations.reduce((sum, { unread }) => sum + unread, 0) : 0);
export const othersOf = ({ members }, viewer) => members.filter(({ id }) => id !== viewer?.id);
export const isBlocked = ({ inbox }, id) => inbox.blocked.includes(id);

/** The other one of two; null in a group, however few are left in it. */
export const partnerOf = (conversation, viewer) => (conversation.is_group ? null : othersOf(conversation, viewer)[0] ?? null);

/** The people that the viewer has a conversation with and does not block, those of the newest first. */
export function peopleOf({ inbox, viewer }) {
  const people = inbox.conversations.flatMap((conversation) => othersOf(conversation, viewer));
  return [...new Map(people.map((person) => [person.id, person])).values()].filter(({ id }) => !inbox.blocked.includes(id));
}

const onTop = (conversations, summary) => [summary, ...without(conversations, summary.id)];
const inPlace = (conversations, summary) => conversations.map((other) => (other.id === summary.id ? summary : other));

const inInbox = (state, change) => ({ ...state, inbox: { ...state.inbox, ...change } });
const inThread = (state, change) => ({ ...state, thread: { ...state.thread, ...change } });
const listed = (state, conversations) => inInbox(state, { conversations });

function shown(state, message) {
  const { thread } = state;
  return thread.gone.has(message.id) ? state : inThread(state, { messages: withAdded(thread.messages, message) });
}

const edited = (state, message) =>
  inThread(state, { messages: state.thread.messages.map((other) => (other.id === message.id ? message : other)) });

const taken = (state, id) =>
  inThread(state, { messages: without(state.thread.messages, id), gone: new Set(state.thread.gone).add(id) });

function blocked(state, id, is) {
  const rest = state.inbox.blocked.filter((other) => other !== id);
  // Nobody sees whether people they block are online.
  const { [id]: gone, ...presence } = state.presence;
  return inInbox(is ? { ...state, presence } : state, { blocked: is ? [...rest, id].sort() : rest });
}

const later = (seen, { viewer_id: id, seen_seq: seq }) => ({ ...seen, [id]: Math.max(seen[id] ?? 0, seq) });

// Events of the viewer's own topic. A conversation rises with each message and when it changes itself.
const ofUser = {
  message: (state, { conversation, message }) => acknowledged(listed(state, onTop(state.inbox.conversations, conversation)), message),
  conversation: (state, { conversation }) =>
    listed(state, conversation.left ? without(state.inbox.conversations, conversation.id) : onTop(state.inbox.conversations, conversation)),
  message_edited: (state, { conversation }) => listed(state, inPlace(state.inbox.conversations, conversation)),
  message_deleted: (state, { conversation }) => listed(state, inPlace(state.inbox.conversations, conversation)),
  receipt: (state, { conversation }) => listed(state, inPlace(state.inbox.conversations, conversation)),
  blocked: (state, { viewer, is_blocked: is }) => blocked(state, viewer.id, is),
  notices: (state, { notices }) => inInbox(state, { notices }),
};

// Events of the open conversation's topic.
const ofConversation = {
  message: (state, { message }) => acknowledged(shown(state, message), message),
  message_edited: (state, { message }) => edited(state, message),
  message_deleted: (state, { message: { id } }) => taken(state, id),
  merged: (state, { merged, conversation, seen }) =>
    inThread(state, { conversation, seen, messages: state.thread.messages.map((message) => byAccount(message, merged)) }),
  receipt: (state, { receipt }) => inThread(state, { seen: later(state.thread.seen, receipt) }),
  conversation: (state, { conversation }) => {
    const seen = Object.fromEntries(conversation.members.map(({ id }) => [id, state.thread.seen[id] ?? 0]));
    return inThread(state, { conversation, seen });
  },
};

function renewed(state, { topic, epoch, seq, snapshot }) {
  if (topic === state.inbox.topic) return inInbox(state, { epoch, seq, ...snapshot });
  if (topic === state.thread?.topic) {
    const fresh = inThread(state, { epoch, seq, ...snapshot });
    return snapshot.messages.reduce(acknowledged, fresh);
  }
  return present(state, topic, snapshot);
}

const present = (state, topic, { status, last_active_ms }) =>
  ({ ...state, presence: { ...state.presence, [topic.slice("presence:".length)]: { status, last_active_ms } } });

// What happens on this page: a conversation is opened, something is written; an answer of the API comes back.
const local = {
  local_viewer: (state, { viewer }) => (viewer?.id === state.viewer?.id ? state : first(viewer)),
  local_opened: (state, { conversation: { last, unread, seen_seq, ...conversation } }) => ({
    ...state,
    thread: { topic: conversation.topic, seq: null, conversation, messages: [], seen: {}, gone: new Set() },
  }),
  local_closed: (state) => ({ ...state, thread: null }),
  local_conversation: (state, { conversation }) =>
    state.inbox.conversations.some(({ id }) => id === conversation.id) ? state : listed(state, onTop(state.inbox.conversations, conversation)),
  local_more: (state, { items }) => {
    const known = new Set(state.inbox.conversations.map(({ id }) => id));
    return listed(state, [...state.inbox.conversations, ...items.filter(({ id }) => !known.has(id))]);
  },
  local_edited: (state, { message }) => (message.conversation_id === state.thread?.conversation.id ? edited(state, message) : state),
  local_deleted: (state, { conversationId, id }) => (conversationId === state.thread?.conversation.id ? taken(state, id) : state),
  local_blocked: (state, { id, is }) => blocked(state, id, is),
  // Only what is newer: an answer may come after an event that knows more.
  local_seen: (state, { id, seen_seq, unread }) =>
    listed(state, state.inbox.conversations.map((other) => (other.id === id && other.seen_seq <= seen_seq ? { ...other, seen_seq, unread } : other))),
  local_older: (state, { topic, items }) => (topic === state.thread?.topic ? items.reduce(shown, state) : state),
  ...pendingRules,
  local_posted: (state, { message }) =>
    acknowledged(message.conversation_id === state.thread?.conversation.id ? shown(state, message) : state, message),
  local_unknown: (state, { id }) => {
    const { [id]: _, ...presence } = state.presence;
    return { ...state, presence };
  },
};

/** Return the state after an event. Unknown events change nothing; a durable one that was seen already neither. */
export function apply(state, name, data) {
  if (Object.hasOwn(local, name)) return local[name](state, data);
  if (name === "reset") return renewed(state, data);
  if (name === "presence") return present(state, data.topic, data);
  const [part, rules] =
    data.topic === state.inbox.topic ? ["inbox", ofUser] : data.topic === state.thread?.topic ? ["thread", ofConversation] : [null, {}];
  if (!Object.hasOwn(rules, name) || data.seq <= state[part].seq) return state;
  const next = rules[name](state, data);
  return { ...next, [part]: { ...next[part], seq: data.seq } };
}

/** What comes on these topics. `typing` is shown by parts/typing.js. */
export const EVENTS = [...new Set([...Object.keys(ofUser), ...Object.keys(ofConversation), "presence", "typing"])];
