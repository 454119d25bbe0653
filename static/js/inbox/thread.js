// The open conversation: it opens and closes, its events come, one writes in it; its head and menu.

import { ApiError, call } from "../core/api.js";
import { newClientId, Sender } from "../core/sending.js";
import { recall, remember } from "../core/storage.js";
import { plural, translate } from "../core/words.js";
import { Composer } from "../parts/composer.js";
import { byId, isolated, note, placeAt, toast } from "../parts/dom.js";
import { ago, compact } from "../parts/format.js";
import { Scroller } from "../parts/list.js";
import { reportTyping, TypingLine } from "../parts/typing.js";
import { nameOf, paintConversation } from "./conversations.js";
import { Messages, Receipts } from "./messages.js";
import { isBlocked, partnerOf } from "./state.js";

const JUST_NOW_MS = 60_000;
const PAGE = 50;
const HEAD_EVERY_MS = 30_000;

/** The head of the open conversation: who is in it, when they were last here, and its menu. */
class ThreadHead {
  #menu = byId("thread-menu");
  #dialog = byId("leave-dialog");

  /** `left()`: the viewer has left the conversation; `field`: where one writes. */
  constructor({ store, field, left }) {
    Object.assign(this, { store, field, left });
    this.#menu.addEventListener("toggle", (event) => { if (event.newState === "open") placeAt(byId("thread-more"), this.#menu); });
    byId("block").addEventListener("click", () => void this.#block(true));
    for (const id of ["unblock", "unblock-here"]) byId(id).addEventListener("click", () => void this.#block(false));
    byId("leave").addEventListener("click", () => {
      this.#menu.hidePopover();
      this.#dialog.showModal();
    });
    byId("leave-yes").addEventListener("click", () => {
      this.#dialog.close();
      void this.#leave();
    });
  }

  get isMenuOpen() {
    return this.#menu.matches(":popover-open");
  }

  render(state) {
    const { thread: { conversation }, viewer, presence } = state;
    const partner = partnerOf(conversation, viewer);
    paintConversation(byId("thread-face"), conversation, { viewer, presence });
    byId("thread-name").textContent = nameOf(conversation, viewer);
    const known = partner && presence[partner.id];
    note(byId("thread-status"), conversation.is_group ? sizeOf(conversation) : known ? whenActive(known) : "");
    const blocked = Boolean(partner) && isBlocked(state, partner.id);
    byId("block").hidden = !partner || blocked;
    byId("unblock").hidden = !blocked;
    byId("leave").hidden = !conversation.is_group;
    byId("is-blocked").hidden = !blocked;
    note(byId("blocked-text"), blocked ? translate("you_block", { name: isolated(partner.name) }) : "");
  }

  #block(is) {
    return this.#act(async () => {
      const { thread, viewer } = this.store.state;
      const { id } = partnerOf(thread.conversation, viewer);
      await call(is ? "PUT" : "DELETE", `/blocks/${id}`);
      this.store.dispatch("local_blocked", { id, is });
      this.store.draw();
      (is ? byId("unblock-here") : this.field).focus();
    });
  }

  #leave() {
    return this.#act(async () => {
      const { thread, viewer } = this.store.state;
      await call("DELETE", `/conversations/${thread.conversation.id}/members/${viewer.id}`);
      this.left();
    });
  }

  async #act(work) {
    this.#menu.hidePopover();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.advice);
    }
  }
}

// Where there is no title, the name says already that nobody else is there.
const sizeOf = ({ members, title }) => (members.length > 1 ? plural("members", members.length) : title ? translate("only_you") : "");

function whenActive({ status, last_active_ms: at }) {
  if (status === "online") return translate("online");
  if (!at) return "";
  return Date.now() - at < JUST_NOW_MS ? translate("active_just_now") : translate("last_active", { ago: ago(at) });
}

export class Thread {
  #part = byId("thread");
  #scroller = byId("thread-scroller");
  #form = byId("write-message");
  #typists = new TypingLine(byId("thread-typing"));
  #place;
  #composer;
  #sender;
  #messages;
  #head;
  #receipts;
  #drawn = null;

  /** `isShown()`: whether the inbox is; `closed(id)`: the list is back, for the focus to go to the conversation that was open. */
  constructor({ store, client, isShown, closed }) {
    Object.assign(this, { store, client, isShown, closed });
    this.#receipts = new Receipts({ store, isInView: () => this.#isInView });
    this.#place = new Scroller({
      scroller: this.#scroller, list: byId("bubbles"), pill: byId("newest-message"), loader: byId("older-messages"),
      unseenText: (n) => plural("new_messages", n, { shown: compact(n) }),
      reachedEnd: () => this.seen(),
      loadOlder: () => this.#loadOlder(),
    });
    this.#composer = this.#makeComposer();
    this.#sender = this.#makeSender();
    this.#messages = new Messages({ store, sender: this.#sender, instead: () => this.#scroller });
    this.#head = new ThreadHead({ store, field: this.#composer.field, left: () => this.close() });
    byId("thread-back").addEventListener("click", () => this.close());
    this.#part.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !this.#head.isMenuOpen) this.close();
    });
    setInterval(() => { if (store.state.thread && isShown()) this.#drawHead(store.state); }, HEAD_EVERY_MS);
  }

  #makeComposer() {
    const { store } = this;
    return new Composer(this.#form, {
      wait: "wait",
      draft: () => (store.state.thread ? `draft ${store.state.viewer.id} ${store.state.thread.topic}` : ""),
      typing: reportTyping(() => (store.state.thread ? `${this.#path}/typing` : "")),
      send: (text) => {
        this.#place.toEnd();
        this.#sender.send({ clientId: newClientId(), conversationId: store.state.thread.conversation.id, body: text, atMs: Date.now() });
      },
    });
  }

  #makeSender() {
    const { store } = this;
    return new Sender({
      store,
      key: ({ id }) => `unsent ${id}`,
      post: ({ clientId, conversationId, body }) =>
        call("POST", `/conversations/${conversationId}/messages`, { body, client_id: clientId }),
      posted: (message) => store.dispatch("local_posted", { message }),
      takesBack: (error, { conversationId, body }) =>
        conversationId === store.state.thread?.conversation.id && this.#composer.takesBack(error, body),
    });
  }

  open(conversation, { quietly = false } = {}) {
    const { store } = this;
    if (store.state.thread?.conversation.id === conversation.id) return this.#composer.field.focus();
    this.close({ quietly: true });
    store.dispatch("local_opened", { conversation });
    this.#place.begin(false);
    this.#watch(conversation.topic);
    remember(this.#openKey, conversation.id);
    this.#composer.begin();
    store.draw();
    this.#place.toEnd();
    if (quietly) return;
    if (!this.#form.hidden) this.#composer.field.focus();
    else byId("thread-back").focus();
  }

  close({ quietly = false } = {}) {
    const { thread } = this.store.state;
    if (!thread) return;
    remember(this.#openKey, "");
    this.#composer.field.blur();
    this.client.leave(thread.topic);
    this.#typists.clear();
    this.store.dispatch("local_closed", {});
    if (!quietly) this.closed(thread.conversation.id);
  }

  /** The id of the conversation that was open before the page was loaded again, "" for none. */
  get openBefore() {
    return recall(this.#openKey);
  }

  /** Keep what is pending. */
  save(state) {
    this.#sender.save(state);
  }

  /** The connection is back. */
  wake() {
    this.#sender.wake();
  }

  /** Something may have been seen. */
  seen() {
    this.#receipts.report();
  }

  render(state) {
    const { thread } = state;
    this.#part.hidden = thread === null;
    if (state === this.#drawn) return thread ? this.seen() : undefined;
    if (this.#drawn?.thread && this.#drawn.thread.topic !== thread?.topic) this.#messages.clear();
    this.#drawn = state;
    if (!thread) return;
    this.#drawHead(state);
    byId("thread-loading").hidden = thread.seq !== null;
    byId("thread-nothing").hidden = thread.seq === null || thread.messages.length + state.pending.length > 0;
    this.#place.keepingPlace(() => this.#messages.render(state));
    this.seen();
  }

  get #path() {
    return `/conversations/${this.store.state.thread.conversation.id}`;
  }

  get #openKey() {
    return `open ${this.store.state.viewer.id} ${location.pathname}`;
  }

  get #isInView() {
    return this.isShown() && this.#place.isAtEnd && this.#scroller.checkVisibility({ checkVisibilityCSS: true });
  }

  #watch(topic) {
    const { store } = this;
    this.client.watch(topic, {
      has: () => (store.state.thread?.topic === topic ? store.state.thread : null),
      deliver: (name, data) => this.#deliver(name, data),
      lost: () => {
        if (store.state.thread?.topic !== topic) return;
        this.close();
        toast(translate("conversation_over"));
      },
    });
  }

  #deliver(name, data) {
    const { store } = this;
    const { thread, viewer } = store.state;
    if (name === "typing") return isBlocked(store.state, data.viewer.id) ? undefined : this.#typists.heard(data, viewer?.id);
    store.dispatch(name, data);
    if (name === "reset") this.#place.begin(data.snapshot.messages.length >= PAGE);
    if (name !== "message" || store.state.thread.messages === thread.messages) return;
    this.#typists.silence(data.message.author.id);
    if (data.message.author.id !== viewer?.id && this.isShown()) this.#place.came();
  }

  async #loadOlder() {
    const { topic, messages } = this.store.state.thread;
    try {
      const page = await call("GET", `${this.#path}/messages?limit=${PAGE}${messages.length ? `&before=${messages[0].seq}` : ""}`);
      this.store.dispatch("local_older", { topic, items: page.items });
      return page.next !== null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return true;
    }
  }

  #drawHead(state) {
    const partner = partnerOf(state.thread.conversation, state.viewer);
    const isPartnerBlocked = Boolean(partner) && isBlocked(state, partner.id);
    if (isPartnerBlocked) this.#typists.silence(partner.id);
    this.#form.hidden = isPartnerBlocked;
    this.#head.render(state);
  }
}
