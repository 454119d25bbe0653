// The inbox: what it follows, how a conversation starts. The list of conversations is conversations.js, the open one is
// thread.js. State and the rule of its change are state.js. Where it is, is its frame's: column.js beside a video, a page
// of its own in ../messages/.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { announcer, byId, perFrame, toast } from "../parts/dom.js";
import { drawBell } from "./bell.js";
import { ConversationList } from "./conversations.js";
import { apply, first, isBlocked, partnerOf, peopleOf, unreadOf } from "./state.js";
import { Thread } from "./thread.js";

const ONLINE_MAX = 20;

/** Follows who of the people in sight is online. */
class PresenceFollower {
  #followed = new Set();
  #refused = new Set();

  constructor({ store, client }) {
    Object.assign(this, { store, client });
  }

  /** Follow these people, and no others. */
  follow(ids) {
    const wanted = new Set(ids.filter((id) => !this.#refused.has(id)));
    for (const id of this.#followed) if (!wanted.has(id)) this.#leave(id);
    for (const id of wanted) if (!this.#followed.has(id)) this.#watch(id);
  }

  /** Ask for a person again, or for all: they may be allowed to see each other by now. */
  askAgain(id) {
    if (id === undefined) this.#refused.clear();
    else this.#refused.delete(id);
  }

  #watch(id) {
    this.#followed.add(id);
    this.client.watch(`presence:${id}`, {
      has: () => null,
      deliver: (name, data) => this.store.dispatch(name, data),
      lost: () => {
        // Not for us: they have not written to us, or block us.
        this.#followed.delete(id);
        this.#refused.add(id);
        this.store.dispatch("local_unknown", { id });
      },
    });
  }

  #leave(id) {
    this.#followed.delete(id);
    this.client.leave(`presence:${id}`);
  }
}

export class Inbox {
  #panel = byId("messages");
  #render = perFrame(() => this.#draw());
  #store;
  #list;
  #thread;
  #presence;
  #ownTopic = null;
  #drawn = null;
  #isReopened = false;
  #announce;

  /**
   * `viewer`: of the page; `client`: its end of the hub; `asViewer(work)`: run it once the viewer has a name;
   * `blocked(ids)`: the people that the viewer blocks, when it becomes known and when it changes; `frame`: where the inbox
   * is: `isShown`, `show()`; `isBeside`: the list stays when a conversation is open; `entry`: what has the focus where
   * there is no list; `openBefore(viewer)`, `opened(viewer, id)`: what is open, "" for nothing; `drawUnread(n)`;
   * `begin({ viewer, changed })`: all is wired.
   * `noticed(notices)`: what the bell counts is different.
   */
  constructor({ viewer, client, asViewer, blocked, frame, noticed = () => {} }) {
    Object.assign(this, { client, asViewer, blocked, frame, noticed });
    const store = this.#store = {
      state: first(viewer),
      dispatch: (name, data) => this.#dispatch(name, data),
      draw: () => this.#draw(),
    };
    this.#presence = new PresenceFollower({ store, client });
    this.#thread = new Thread({ store, client, frame, closed: (id) => this.#backToList(id) });
    this.#list = new ConversationList({ store, frame, open: (conversation) => this.#thread.open(conversation) });
    this.#announce = announcer(byId("announcements"), (last, n) => {
      const values = { name: last.author.name, text: last.body };
      return n === 1 ? translate("message_said", values) : plural("messages_said", n, values);
    });
    this.#draw();
    frame.begin({ viewer, changed: () => this.#turned() });
  }

  /** Somebody else looks now, or nobody. */
  identify(viewer) {
    if (viewer?.id === this.#store.state.viewer?.id) return;
    const isHere = this.#panel.contains(document.activeElement);
    this.#thread.close({ quietly: true });
    this.#list.clear();
    this.#presence.askAgain();
    this.#dispatch("local_viewer", { viewer });
    if (viewer || !isHere) return;
    this.#draw();
    byId("inbox-name").focus();
  }

  /** Whether the viewer has a conversation with somebody. */
  knows(id) {
    return this.#store.state.inbox.conversations.some(({ members }) => members.some((member) => member.id === id));
  }

  /** The people that the viewer has a conversation with and does not block, the newest first. */
  get people() {
    return peopleOf(this.#store.state);
  }

  /** Write to somebody: their conversation is opened, made if there is none. */
  message(person) {
    return this.asViewer(async () => {
      try {
        const { inbox, viewer } = this.#store.state;
        const known = inbox.conversations.find((each) => partnerOf(each, viewer)?.id === person.id);
        this.#show(known ?? await call("POST", "/conversations", { members: [person.id] }));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        toast(error.advice);
      }
    });
  }

  /** Start a conversation with people, as a group where they are several. Throws ApiError. */
  async start(ids, title) {
    this.#show(await call("POST", "/conversations", { members: ids, title }));
  }

  /** Open the conversation with this id, "" for none. */
  async goTo(id) {
    const { thread } = this.#store.state;
    if (!id) return thread ? this.#thread.close() : undefined;
    if (thread?.conversation.id !== id) await this.#openById(id);
  }

  #show(conversation) {
    this.#dispatch("local_conversation", { conversation });
    this.frame.show();
    this.#thread.open(conversation);
  }

  /** The page is looked at again. */
  seen() {
    this.#thread.seen();
  }

  /** The connection is back. */
  wake() {
    this.#thread.wake();
  }

  #dispatch(name, data) {
    const before = this.#store.state.inbox;
    this.#store.state = apply(this.#store.state, name, data);
    const { inbox } = this.#store.state;
    if (inbox.seq !== null && (before.seq === null || inbox.blocked !== before.blocked)) this.blocked(inbox.blocked);
    if (inbox.notices !== before.notices) this.noticed(inbox.notices);
    this.#follow();
    this.#render();
  }

  /** The frame shows it, or does not any more. */
  #turned() {
    this.#presence.askAgain();
    this.#render();
  }

  #backToList(id) {
    this.#draw();
    this.#list.focus(id);
  }

  // What is followed: the viewer's own topic; who is online while it can be seen.

  #follow() {
    const { viewer, inbox: { topic } } = this.#store.state;
    if (topic !== this.#ownTopic) this.#followOwn(topic);
    this.#presence.follow(viewer && this.frame.isShown ? this.#peopleShown() : []);
  }

  #followOwn(topic) {
    if (this.#ownTopic) this.client.leave(this.#ownTopic);
    this.#ownTopic = topic;
    if (!topic) return;
    this.client.watch(topic, {
      has: () => (this.#store.state.inbox.topic === topic ? this.#store.state.inbox : null),
      deliver: (name, data) => this.#deliver(name, data),
      lost() { /* The session is over: `signedOut` says so. */ },
    });
  }

  #peopleShown() {
    const { viewer, inbox, thread } = this.#store.state;
    const partners = [thread?.conversation, ...inbox.conversations].map((each) => each && partnerOf(each, viewer)?.id).filter(Boolean);
    return [...new Set(partners)].filter((id) => !isBlocked(this.#store.state, id)).slice(0, ONLINE_MAX);
  }

  #deliver(name, data) {
    const { seq } = this.#store.state.inbox;
    // People may be allowed to see each other by now.
    if (name === "message") this.#presence.askAgain(data.message.author.id);
    else if (name === "blocked") this.#presence.askAgain();
    this.#dispatch(name, data);
    const { state } = this.#store;
    if (name === "reset") void this.#reopen();
    if (name === "message" && data.seq > seq && this.#isNews(data.message)) this.#announce(data.message);
    if (name === "conversation" && data.conversation.left && data.conversation.id === state.thread?.conversation.id) this.#thread.close();
  }

  #isNews({ author }) {
    const { state } = this.#store;
    return author.id !== state.viewer?.id && !isBlocked(state, author.id);
  }

  /** A page that is loaded again shows the conversation that it showed. */
  async #reopen() {
    if (this.#isReopened) return;
    this.#isReopened = true;
    const { viewer, thread } = this.#store.state;
    const id = this.frame.openBefore(viewer);
    if (id && !thread) await this.#openById(id);
  }

  async #openById(id) {
    const { viewer, inbox, thread } = this.#store.state;
    try {
      const conversation = inbox.conversations.find((each) => each.id === id) ?? await call("GET", `/conversations/${id}`);
      const { state } = this.#store;
      if (state.viewer === viewer && state.thread?.topic === thread?.topic) this.#thread.open(conversation, { quietly: true });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 404) return; // it is in the list, if it is still there
      this.frame.opened(viewer, "");
      toast(translate("conversation_over"));
    }
  }

  #draw() {
    const { state } = this.#store;
    this.frame.drawUnread(unreadOf(state));
    drawBell(state);
    this.#follow();
    this.#thread.save(state);
    if (!this.frame.isShown) return;
    byId("inbox-join").hidden = Boolean(state.viewer);
    if (state !== this.#drawn) this.#list.render(state);
    this.#thread.render(state);
    this.#drawn = state;
  }
}
