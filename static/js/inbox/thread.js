// The open conversation: it opens and closes, its events come, one writes in it; its head and menu.

import { ApiError, call } from "../core/api.js";
import { newClientId, Sender } from "../core/sending.js";
import { plural, translate } from "../core/words.js";
import { Composer } from "../parts/composer.js";
import { byId, isComposing, isolated, note, placeAt, toast } from "../parts/dom.js";
import { ago, compact } from "../parts/format.js";
import { Scroller } from "../parts/list.js";
import { reportTyping, TypingLine } from "../parts/typing.js";
import { nameOf, paintConversation } from "./conversations.js";
import { Members } from "./members.js";
import { MessageMenu, mayEdit } from "./message-menu.js";
import { Messages, Receipts } from "./messages.js";
import { isBlocked, partnerOf } from "./state.js";

const JUST_NOW_MS = 60_000;
const PAGE = 50;
const HEAD_EVERY_MS = 30_000;

/** The head of the open conversation: who is in it, when they were last here, and its menu. */
class ThreadHead {
  #menu = byId("thread-menu");
  #dialog = byId("leave-dialog");
  #members;

  /** `left()`: the viewer has left the conversation; `field`: where one writes. */
  constructor({ store, field, left }) {
    Object.assign(this, { store, field, left });
    this.#members = new Members({ store });
    byId("members").addEventListener("click", () => {
      this.#menu.hidePopover();
      this.#members.open();
    });
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
    byId("members").hidden = byId("leave").hidden = !conversation.is_group;
    this.#members.render();
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
  #menu;
  // The own message that is being edited.
  #edited = null;
  #head;
  #receipts;
  #drawn = null;

  /** `frame`: see inbox.js; `closed(id)`: the list is back, for the focus to go to the conversation that was open. */
  constructor({ store, client, frame, closed }) {
    Object.assign(this, { store, client, frame, closed });
    this.#receipts = new Receipts({ store, isInView: () => this.#isInView });
    this.#place = new Scroller({
      scroller: this.#scroller, list: byId("bubbles"), pill: byId("newest-message"), loader: byId("older-messages"),
      unseenText: (n) => plural("new_messages", n, { shown: compact(n) }),
      reachedEnd: () => this.seen(),
      loadOlder: () => this.#loadOlder(),
    });
    this.#composer = this.#makeComposer();
    this.#sender = this.#makeSender();
    this.#menu = new MessageMenu({ store, edit: (message) => this.#edit(message) });
    this.#messages = new Messages({
      store, sender: this.#sender, scroller: this.#scroller,
      more: (message, item) => this.#menu.open(message, item),
    });
    this.#head = new ThreadHead({ store, field: this.#composer.field, left: () => this.close() });
    byId("thread-back").addEventListener("click", () => this.close());
    byId("editing-stop").addEventListener("click", () => this.#stopEditing());
    this.#part.addEventListener("keydown", (event) => this.#pressed(event));
    setInterval(() => { if (store.state.thread && frame.isShown) this.#drawHead(store.state); }, HEAD_EVERY_MS);
  }

  #makeComposer() {
    const { store } = this;
    return new Composer(this.#form, {
      wait: "wait",
      draft: () => (store.state.thread && !this.#edited ? `draft ${store.state.viewer.id} ${store.state.thread.topic}` : ""),
      escape: () => this.#stopEditing(),
      typing: reportTyping(() => (store.state.thread ? `${this.#path}/typing` : "")),
      send: (text) => {
        if (this.#edited) return void this.#sendEdited(text);
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
    this.#leave();
    store.dispatch("local_opened", { conversation });
    this.#place.begin(false);
    this.#watch(conversation.topic);
    this.frame.opened(store.state.viewer, conversation.id);
    this.#composer.begin();
    store.draw();
    this.#place.toEnd();
    if (quietly) return;
    if (!this.#form.hidden) this.#composer.field.focus();
    else byId("thread-back").focus();
  }

  close({ quietly = false } = {}) {
    const { thread, viewer } = this.store.state;
    if (!thread) return;
    this.#leave();
    this.frame.opened(viewer, "");
    if (!quietly) this.closed(thread.conversation.id);
  }

  #leave() {
    const { thread } = this.store.state;
    if (!thread) return;
    this.#stopEditing();
    this.#composer.field.blur();
    this.client.leave(thread.topic);
    this.#typists.clear();
    this.store.dispatch("local_closed", {});
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
    if (this.#edited && thread.gone.has(this.#edited.id)) this.#stopEditing();
    this.#drawHead(state);
    byId("thread-loading").hidden = thread.seq !== null;
    byId("thread-nothing").hidden = thread.seq === null || thread.messages.length + state.pending.length > 0;
    this.#place.keepingPlace(() => this.#messages.render(state));
    this.seen();
  }

  get #path() {
    return `/conversations/${this.store.state.thread.conversation.id}`;
  }

  get #isInView() {
    return this.frame.isShown && this.#place.isAtEnd && this.#scroller.checkVisibility({ checkVisibilityCSS: true });
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
    if (data.message.author.id !== viewer?.id && this.frame.isShown) this.#place.came();
  }

  #pressed(event) {
    if (event.defaultPrevented || isComposing(event)) return;
    if (event.key === "Escape" && !this.#head.isMenuOpen) this.close();
    // An empty field, as in other places where one talks: to what one has just written.
    if (event.key !== "ArrowUp" || event.target !== this.#composer.field || this.#composer.field.value || this.#edited) return;
    const { thread, viewer } = this.store.state;
    const last = thread.messages.findLast(({ author }) => author.id === viewer.id);
    if (!last || !mayEdit(last, viewer)) return;
    event.preventDefault();
    this.#edit(last);
  }

  // An own message says something else

  #edit(message) {
    this.#edited = message;
    byId("editing").hidden = false;
    this.#composer.write(message.body);
    this.#composer.field.focus();
  }

  /** Returns whether there was something to stop. */
  #stopEditing() {
    if (!this.#edited) return false;
    this.#edited = null;
    byId("editing").hidden = true;
    this.#composer.begin();
    return true;
  }

  async #sendEdited(text) {
    const [edited, path] = [this.#edited, this.#path];
    this.#stopEditing();
    try {
      this.store.dispatch("local_edited", { message: await call("PATCH", `${path}/messages/${edited.id}`, { body: text }) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (edited.conversation_id !== this.store.state.thread?.conversation.id) return toast(error.advice);
      this.#edit({ ...edited, body: text });
      this.#composer.complain(error.advice);
    }
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
