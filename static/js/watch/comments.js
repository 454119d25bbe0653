// The comments: the list, what is new, older ones, the keyboard, what one does with a comment.

import { ApiError, call } from "../core/api.js";
import { asWritten } from "../core/pending.js";
import { plural, translate } from "../core/words.js";
import { announcer, byId, toast } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { Hold } from "../parts/hold.js";
import { keyOf, Rows, Scroller } from "../parts/list.js";
import { Piece } from "../parts/piece.js";
import { TypingLine } from "../parts/typing.js";
import { Answers } from "./answers.js";
import { CommentForm } from "./comment-form.js";
import { createComment, fillComment, isForViewer } from "./comment-item.js";
import { CommentMenu } from "./comment-menu.js";
import { Flow } from "./flow.js";
import { Pinned } from "./pinned.js";
import { Sample } from "./sample.js";
import { isRead } from "../parts/rights.js";
import { isLater, mayComment } from "./state.js";

const PAGE = 50;
// Of those that are drawn at the newest end; of all, which are some times more in a flood; of all while one reads further up.
const SHOWN_MAX = 300;
const SHOWN = 200;
const KEPT_MAX = 2_000;
const READING_MAX = 5_000;
const FLASH_MS = 1_500;

export class Comments {
  #scroller = byId("scroller");
  #list = byId("list");
  #typists = new TypingLine(byId("typing"));
  #piece = new Piece();
  // By id: what is there, and how often it was answered.
  #known = new Map();
  #answers = new Map();
  // Pending text → as a comment: the same object for as long as the text stays the same.
  #pending = new Map();
  #drawn = [];
  #isWhole;
  #rows;
  #place;
  #hold;
  #form;
  #menu;
  #pinned;
  #sample;
  #thread;
  #announce;

  /**
   * `store`: the page's state; `asViewer(work)`: run it once the viewer has a name; `message(person)`: open a conversation;
   * `isFriend(id)`: they talk with each other; `deliver(name, data)`: hand on an event that was taken, in order.
   */
  constructor({ store, asViewer, message, isFriend, deliver }) {
    Object.assign(this, { store, isFriend, path: `/videos/${store.state.video.id}/comments` });
    this.flow = new Flow({
      deliver,
      isAlways: (comment) => this.#isAlways(comment),
      showsAll: () => store.state.may.includes("delete") || this.#sample.showsAll,
      changed: () => this.#redraw(),
      // Before the next picture: the page can answer between the one and the other.
      delivered: () => store.draw(),
    });
    this.#thread = new Answers({
      path: this.path, changed: () => this.#turned(), failed: (text) => this.#form.complain(text),
    });
    this.#rows = new Rows(this.#list, {
      create: createComment,
      fill: (item, row) => fillComment(item, row, store.state),
      instead: (item) => item.nextElementSibling ?? item.previousElementSibling ?? this.#scroller,
    });
    this.#place = new Scroller({
      scroller: this.#scroller, list: this.#list, pill: byId("newest"), loader: byId("older"),
      unseenText: (n) => plural("new", n, { shown: compact(n) }),
      loadOlder: () => this.#loadOlder(),
      newer: {
        isAll: () => this.#piece.follows,
        show: () => { this.#piece.forward(); this.#place.begin(true); this.#redraw(); },
        showAll: () => { this.#piece.follow(); this.#redraw(); },
      },
    });
    this.#begin(store.state.comments.length >= PAGE);
    this.#hold = new Hold(this.#scroller, { released: () => this.#released() });
    this.#form = new CommentForm({ store, sent: () => this.#place.toEnd() });
    const complain = (text) => this.#form.complain(text);
    this.#pinned = new Pinned({ store, complain });
    this.#sample = new Sample({ flow: this.flow, changed: () => this.#redraw() });
    this.#menu = new CommentMenu({
      store, complain,
      acts: {
        reply: (comment) => asViewer(() => this.#form.reply(comment)),
        message: ({ author }) => message(author),
        edit: (comment) => this.#form.edit(comment),
        report: (comment) => asViewer(() => void this.#report(comment)),
        thread: (comment) => void this.#openThread(comment),
      },
    });

    // Screen readers hear of new comments now and then, not of each.
    this.#announce = announcer(byId("announcements"), (last, n) => {
      const values = { name: last.author.name, text: last.body };
      return n === 1 ? translate("said", values) : plural("said_more", n, values);
    });
    this.#wireKeyboard();
    this.#wireActs();
    byId("comments").removeAttribute("aria-busy");
  }

  /** A comment came as an event. */
  came({ comment }) {
    this.#typists.silence(comment.author.id);
    if (this.flow.skips(comment.id)) return;
    // In a replay they are elsewhere (afterwards.js).
    if (this.store.state.recording && isLater(this.store.state.video, comment)) return;
    if (comment.author.id === this.store.state.viewer?.id || !isRead(this.store.state, comment.author)) return;
    this.#freeze();
    this.#place.came();
    if (!this.#place.isAtEnd) this.#notify(comment);
    this.#announce(comment);
  }

  /** These are comments of another time. */
  restart({ hasOlder = true } = {}) {
    this.#begin(hasOlder);
    this.#place.toEnd();
  }

  /** Show the comment with this id in its thread, wherever it is. Returns it; null where it is gone. */
  async goTo(id) {
    await this.#thread.open({ id }, this.#known);
    const comment = this.#known.get(id);
    if (!comment) this.#thread.close();
    this.#show(id);
    return comment ?? null;
  }

  /** Somebody is writing one. */
  typed(data) {
    if (isRead(this.store.state, data.viewer)) this.#typists.heard(data, this.store.state.viewer?.id);
  }

  /** The connection is back. */
  wake() {
    this.#form.sender.wake();
  }

  render(state, before) {
    this.#form.render(state, before);
    this.#pinned.render(state, before);
    if (state.gone !== before?.gone) this.#menu.render(state);
    if (state.blocked !== before?.blocked) state.blocked.forEach((id) => this.#typists.silence(id));
    const inputs = [state.comments, state.pinned, state.pending, state.blocked, state.viewer, state.video, state.over, state.recording, state.emoji];
    if (inputs.every((value, at) => value === this.#drawn[at])) return;
    this.#drawn = inputs;
    this.#redraw();
    this.#keepFew();
  }

  #begin(hasOlder) {
    this.#isWhole = !hasOlder;
    this.#place.begin(hasOlder);
  }

  #isAlways(comment) {
    const { viewer } = this.store.state;
    const { id, role } = comment.author;
    return id === viewer?.id || role !== null || this.isFriend(id) || isForViewer(comment, this.#known.get(comment.reply_to), viewer);
  }

  /** What is said to the viewer while they read further up. */
  #notify(comment) {
    const { viewer } = this.store.state;
    const parent = this.#known.get(comment.reply_to);
    if (!isForViewer(comment, parent, viewer)) return;
    const { name } = comment.author;
    toast(parent?.author.id === viewer.id ? translate("answered", { name }) : translate("mentioned", { name }));
  }

  /** Nothing moves under a reader, be it that they scroll or that they point. */
  #freeze() {
    if (this.#piece.follows && (!this.#place.isNearEnd || this.#hold.isHeld || this.#menu.isOpen)) this.#piece.freeze();
  }

  #released() {
    if (this.#place.isNearEnd && !this.#piece.follows && !this.#menu.isOpen) this.#place.toEnd();
  }

  #redraw() {
    const { state } = this.store;
    this.#freeze();
    this.#place.keepingPlace(() => this.#draw(state));
    byId("nothing").hidden = this.#rows.size > 0 || !mayComment(state);
    this.#sample.render(state.comments);
    // At a moment of its own: what goes at the start while something comes at the end would be seen to jump.
    if (this.#piece.isLong) {
      requestAnimationFrame(() => {
        this.#piece.trim();
        this.#place.keepingPlace(() => this.#draw(this.store.state));
      });
    }
  }

  #draw(state) {
    // The server draws comments to be read: what can be done with one comes with the items that are made here.
    if (this.#rows.size === 0) this.#list.replaceChildren();
    const sent = state.viewer ? state.pending : [];
    this.#pending = new Map(sent.map((one) => [one, this.#pending.get(one) ?? asWritten(one, state.viewer)]));
    const [comments, pinned] = [state.comments, state.pinned].map((some) => some.filter(({ author }) => isRead(state, author)));
    this.#answers = new Map();
    for (const { reply_to: to } of comments) if (to) this.#answers.set(to, (this.#answers.get(to) ?? 0) + 1);
    const shown = this.#thread.isOpen
      ? this.#thread.of({ comments, gone: state.gone }).filter(({ author }) => isRead(state, author))
      : comments.filter(({ id }) => !this.flow.skips(id));
    this.#known = new Map([...pinned, ...comments, ...shown].map((comment) => [comment.id, comment]));
    const rows = [...shown, ...this.#pending.values()].map((comment) => ({
      key: keyOf(comment), clientId: comment.client_id, comment,
      parent: this.#known.get(comment.reply_to), answers: this.#answers.get(comment.id) ?? 0,
    }));
    this.#rows.draw(this.#piece.of(rows));
  }

  /** Forget what is far from the newest end. Whoever goes there loads it again. */
  #keepFew() {
    const { comments } = this.store.state;
    if (this.#thread.isOpen) return;
    if (!this.#place.isAtEnd) {
      if (comments.length > READING_MAX) this.#trim(comments.filter(({ id }) => !this.flow.skips(id)));
      return;
    }
    const shown = comments.filter(({ id }) => !this.flow.skips(id));
    if (shown.length > SHOWN_MAX) this.#trim(comments.slice(comments.indexOf(shown.at(-SHOWN))));
    else if (comments.length > KEPT_MAX) this.#trim(comments.slice(-KEPT_MAX * 0.75));
  }

  #trim(comments) {
    if (comments.length === this.store.state.comments.length) return;
    this.#begin(true);
    this.store.dispatch("local_trimmed", { comments });
  }

  async #loadOlder() {
    try {
      if (!this.#piece.back()) {
        if (this.#isWhole || this.#thread.isOpen) return !this.#isWhole;
        const oldest = this.store.state.comments[0]?.seq;
        const page = await call("GET", `${this.path}?limit=${PAGE}${oldest ? `&before=${oldest}` : ""}`);
        this.#isWhole = page.next === null;
        this.store.dispatch("local_older", { items: page.items });
        this.store.draw();
        this.#piece.back();
      }
      this.#redraw();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next scroll tries again.
    }
    return true;
  }

  // The keyboard: the arrows go from comment to comment, Enter to what can be done with one.

  #wireKeyboard() {
    this.#scroller.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("focusin", (event) => setReach(event.target.closest(".comment"), 0));
    this.#list.addEventListener("focusout", (event) => setReach(event.target.closest(".comment"), -1));
  }

  #pressed(event) {
    const item = document.activeElement.closest?.(".comment");
    if (!item && event.target !== this.#scroller) return;
    const to = {
      ArrowUp: item ? item.previousElementSibling : this.#list.lastElementChild,
      ArrowDown: item?.nextElementSibling,
      Home: this.#list.firstElementChild,
      End: this.#list.lastElementChild,
    }[event.key];
    if (event.key === "Escape" && item) this.#scroller.focus();
    else if (event.key === "Enter" && event.target === item) this.#openMenu(item);
    else if (to) to.focus();
    else if (event.target !== item || !this.#menu.press(event, this.#commentOf(item))) return;
    event.preventDefault();
  }

  // What one does with a comment

  #wireActs() {
    const pendingOf = (item) => this.#rows.pendingOf(item, this.store.state.pending);
    const acts = {
      more: (item) => this.#openMenu(item),
      thread: (item) => this.#menu.do("thread", this.#commentOf(item)),
      reply: (item) => this.#menu.do("reply", this.#commentOf(item)),
      again: (item) => this.#form.sender.send(pendingOf(item)),
      drop: (item) => this.#form.sender.drop(pendingOf(item)),
    };
    this.#list.addEventListener("click", (event) => {
      const item = event.target.closest(".comment");
      if (!item || event.target.closest("a")) return;
      if (event.target.closest(".quote-link")) return this.#show(this.#commentOf(item)?.reply_to);
      const act = event.target.closest("[data-do]")?.dataset.do;
      if (act) acts[act](item);
      else if (!getSelection().isCollapsed) return;
      // A tap on a comment opens what a mouse finds at its side.
      else if (event.pointerType === "touch") acts.more(item);
      else item.focus({ preventScroll: true });
    });
  }

  #openMenu(item) {
    this.#menu.open(this.#commentOf(item), item, this.#answers.get(item.dataset.id) ?? 0);
  }

  async #openThread(comment) {
    const root = await this.#thread.open(comment, this.#known);
    if (root && this.store.state.viewer && mayComment(this.store.state)) this.#form.reply(root);
  }

  async #report(comment) {
    try {
      const { report } = await import("../parts/complaint.js");
      report("comment", comment, this.store.state.video);
    } catch {
      // Not loaded: the next press tries again.
      this.#form.complain(translate("unreachable"));
    }
  }

  /** A thread was opened or closed: other comments are shown. */
  #turned() {
    this.#piece.freeze();
    this.#place.toEnd();
    if (!this.#thread.isOpen) this.#form.reply(null);
  }

  #commentOf(item) {
    return this.#rows.row(item)?.comment;
  }

  #show(id) {
    const item = this.#rows.item(id);
    if (!item) return;
    item.scrollIntoView({ block: "center" });
    item.classList.add("flash");
    setTimeout(() => item.classList.remove("flash"), FLASH_MS);
    item.focus({ preventScroll: true });
  }
}

function setReach(item, tabIndex) {
  for (const button of item?.querySelectorAll("button") ?? []) button.tabIndex = tabIndex;
}
