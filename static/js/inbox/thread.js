// The open conversation: it opens and closes, its events come, one writes in it.

import { ApiError, call } from "../core/api.js";
import { newClientId, Sender } from "../core/sending.js";
import { recall, remember } from "../core/storage.js";
import { plural, translate } from "../core/words.js";
import { Composer } from "../parts/composer.js";
import { byId, toast } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { Scroller } from "../parts/scroller.js";
import { reportTyping, TypingLine } from "../parts/typing.js";
import { Messages } from "./messages.js";
import { Receipts } from "./receipts.js";
import { isBlocked, partnerOf } from "./state.js";
import { ThreadHead } from "./thread-head.js";

const PAGE = 50;
const HEAD_EVERY_MS = 30_000;

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
