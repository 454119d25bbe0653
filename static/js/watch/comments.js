// The comments: the list, what is new, older ones, the keyboard, what one does with a comment, the pinned one on top.

import { ApiError, call } from "../core/api.js";
import { asWritten } from "../core/pending.js";
import { plural, translate } from "../core/words.js";
import { announcer, byId, paintFace, writeTime } from "../parts/dom.js";
import { compact, duration, offset } from "../parts/format.js";
import { keyOf, paintPending, Rows, Scroller } from "../parts/list.js";
import { TypingLine } from "../parts/typing.js";
import { CommentForm } from "./comment-form.js";
import { isLater, isRead, mayComment } from "./state.js";

const QUOTE_MAX = 60;
const PAGE = 50;
const KEPT_MAX = 300;
const KEPT = 200;
const FLASH_MS = 1_500;

const shorten = (text) => (text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX - 1)}…` : text);

// item → what it was drawn from.
const drawnFrom = new WeakMap();

const createComment = () => byId("comment-template").content.firstElementChild.cloneNode(true);

/** When a comment was written: how far into the broadcast, or into the recording that plays. */
function placeOf(comment, { recording, video }) {
  const { at_ms: atMs } = comment;
  if (isLater(video, comment)) return translate("after_broadcast");
  if (recording) return recording.has(atMs) ? duration(recording.secondOf(atMs)) : "";
  return offset(atMs, video.started_at_ms);
}

/** Draw a comment into its item, with the start of `parent`, which it answers. Text only. */
function fillComment(item, comment, parent, state) {
  const inputs = [
    comment, parent, state.viewer?.id, state.canModerate, state.video.started_at_ms, state.video.ended_at_ms, mayComment(state),
    state.recording,
  ];
  if (drawnFrom.get(item)?.every((value, at) => value === inputs[at])) return;
  drawnFrom.set(item, inputs);
  const { author } = comment;
  const isMine = author.id === state.viewer?.id;
  item.dataset.id = comment.id ?? "";
  item.className = "comment";
  item.classList.toggle("mine", isMine);
  item.classList.toggle("is-pinned", Boolean(comment.pinned));
  paintPending(item, comment);
  paintFace(item.querySelector(".face"), author.name);
  item.querySelector(".comment-name").textContent = author.name;
  item.querySelector(".comment-body").textContent = comment.body;
  for (const badge of item.querySelectorAll(".role")) badge.hidden = badge.dataset.role !== author.role;
  item.querySelector(".you").hidden = !isMine;
  writeTime(item, comment.at_ms, placeOf(comment, state));
  fillQuote(item.querySelector(".quote"), comment, parent);
  fillTools(item, comment, isMine, state);
}

function fillQuote(quote, comment, parent) {
  quote.hidden = !comment.reply_to;
  if (!comment.reply_to) return;
  const text = quote.querySelector("span");
  if (!parent) {
    text.textContent = translate("earlier");
    return;
  }
  const name = document.createElement("bdi");
  name.textContent = parent.author.name;
  text.replaceChildren(name, `: ${shorten(parent.body)}`);
}

function fillTools(item, comment, isMine, state) {
  const { canModerate } = state;
  const may = {
    reply: mayComment(state),
    message: !isMine && comment.id !== null,
    pin: canModerate && !comment.pinned,
    delete: canModerate || isMine,
  };
  const tools = [...item.querySelectorAll(".tool")];
  for (const tool of tools) tool.hidden = !may[tool.dataset.do];
  item.querySelector(".tools").hidden = tools.every((tool) => tool.hidden);
}

/** What a moderator does with comments, and the pinned one on top. */
class Moderation {
  #dialog = byId("delete-dialog");
  #toDelete = null;

  /** `complain(text)`: what went wrong. */
  constructor({ store, complain }) {
    Object.assign(this, { store, complain, path: `/videos/${store.state.video.id}/comments` });
    byId("unpin").addEventListener("click", () => this.#unpin());
    byId("delete-yes").addEventListener("click", () => this.#delete());
    // A long pinned comment is cut to a few lines until it is pressed.
    const text = byId("pinned-text");
    text.addEventListener("click", () => {
      text.setAttribute("aria-expanded", String(text.getAttribute("aria-expanded") !== "true"));
    });
  }

  pin(id) {
    void this.#act(() => call("PUT", `${this.path}/${id}/pin`));
  }

  askToDelete(comment) {
    if (!comment) return;
    this.#toDelete = comment.id;
    byId("delete-body").textContent = comment.body;
    this.#dialog.showModal();
  }

  render(state, before) {
    if (state.pinned === before?.pinned && state.blocked === before?.blocked) return;
    const top = state.pinned.findLast(({ author }) => isRead(state, author));
    byId("pinned").hidden = !top;
    byId("pinned-name").textContent = top?.author.name ?? "";
    byId("pinned-body").textContent = top?.body ?? "";
    byId("unpin").hidden = !state.canModerate;
  }

  #unpin() {
    const pinned = this.store.state.pinned.at(-1);
    if (pinned) void this.#act(() => call("DELETE", `${this.path}/${pinned.id}/pin`));
  }

  #delete() {
    this.#dialog.close();
    const id = this.#toDelete;
    void this.#act(async () => {
      await call("DELETE", `${this.path}/${id}`);
      this.store.dispatch("local_deleted", { id });
    });
  }

  async #act(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.complain(error.advice);
    }
  }
}

export class Comments {
  #scroller = byId("scroller");
  #list = byId("list");
  #typists = new TypingLine(byId("typing"));
  #known = new Map();
  // Pending text → as a comment: the same object for as long as the text stays the same.
  #pending = new Map();
  #rows;
  #place;
  #form;
  #moderation;
  #announce;

  /** `store`: the page's state; `asViewer(work)`: run it once the viewer has a name; `message(person)`: open a conversation. */
  constructor({ store, asViewer, message }) {
    Object.assign(this, { store, path: `/videos/${store.state.video.id}/comments` });
    this.#rows = new Rows(this.#list, {
      create: createComment,
      fill: (item, { comment }) => fillComment(item, comment, this.#known.get(comment.reply_to), store.state),
      instead: (item) => item.nextElementSibling ?? item.previousElementSibling ?? this.#scroller,
    });
    this.#place = new Scroller({
      scroller: this.#scroller, list: this.#list, pill: byId("newest"), loader: byId("older"),
      unseenText: (n) => plural("new", n, { shown: compact(n) }),
      loadOlder: () => this.#loadOlder(),
    });
    this.#place.begin(store.state.comments.length >= PAGE);
    this.#form = new CommentForm({ store, sent: () => this.#place.toEnd() });
    this.#moderation = new Moderation({ store, complain: (text) => this.#form.complain(text) });
    // Screen readers hear of new comments now and then, not of each.
    this.#announce = announcer(byId("announcements"), (last, n) => {
      const values = { name: last.author.name, text: last.body };
      return n === 1 ? translate("said", values) : plural("said_more", n, values);
    });
    this.#wireKeyboard();
    this.#wireActs({ asViewer, message });
    byId("comments").removeAttribute("aria-busy");
  }

  /** A comment came as an event. */
  came({ comment }) {
    this.#typists.silence(comment.author.id);
    // In a replay they are elsewhere (afterwards.js).
    if (this.store.state.recording && isLater(this.store.state.video, comment)) return;
    if (comment.author.id === this.store.state.viewer?.id || !isRead(this.store.state, comment.author)) return;
    this.#place.came();
    this.#announce(comment);
  }

  /** These are comments of another time. */
  restart({ hasOlder = true } = {}) {
    this.#place.begin(hasOlder);
    this.#place.toEnd();
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
    this.#moderation.render(state, before);
    this.#place.keepingPlace(() => this.#draw(this.store.state));
    byId("nothing").hidden = this.#rows.size > 0 || !mayComment(state);
    if (state.blocked !== before?.blocked) state.blocked.forEach((id) => this.#typists.silence(id));
    if (state.comments.length > KEPT_MAX && this.#place.isAtEnd) {
      this.#place.begin(true);
      this.store.dispatch("local_trimmed", { keep: KEPT });
    }
  }

  #draw(state) {
    // The server draws comments to be read: what can be done with one comes with the items that are made here.
    if (this.#rows.size === 0) this.#list.replaceChildren();
    const sent = state.viewer ? state.pending : [];
    this.#pending = new Map(sent.map((one) => [one, this.#pending.get(one) ?? asWritten(one, state.viewer)]));
    const [comments, pinned] = [state.comments, state.pinned].map((some) => some.filter(({ author }) => isRead(state, author)));
    this.#known = new Map([...pinned, ...comments].map((comment) => [comment.id, comment]));
    this.#rows.draw([...comments, ...this.#pending.values()].map((comment) => (
      { key: keyOf(comment), clientId: comment.client_id, comment }
    )));
  }

  async #loadOlder() {
    try {
      const oldest = this.store.state.comments[0]?.seq;
      const page = await call("GET", `${this.path}?limit=${PAGE}${oldest ? `&before=${oldest}` : ""}`);
      this.store.dispatch("local_older", { items: page.items });
      return page.next !== null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next scroll tries again.
      return true;
    }
  }

  // The keyboard: the arrows go from comment to comment, Tab to what can be done with one.

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
    else if (to) to.focus();
    else return;
    event.preventDefault();
  }

  // What one does with a comment

  #wireActs({ asViewer, message }) {
    const pendingOf = (item) => this.#rows.pendingOf(item, this.store.state.pending);
    const acts = {
      reply: (item) => asViewer(() => this.#form.reply(this.#commentOf(item))),
      message: (item) => message(this.#commentOf(item).author),
      pin: (item) => this.#moderation.pin(item.dataset.id),
      delete: (item) => this.#moderation.askToDelete(this.#commentOf(item)),
      again: (item) => this.#form.sender.send(pendingOf(item)),
      drop: (item) => this.#form.sender.drop(pendingOf(item)),
    };
    this.#list.addEventListener("click", (event) => {
      const item = event.target.closest(".comment");
      if (!item) return;
      if (event.target.closest(".quote-link")) return this.#show(this.#commentOf(item)?.reply_to);
      const act = event.target.closest("[data-do]")?.dataset.do;
      if (act) acts[act](item);
      // A tap on a comment shows its tools.
      else if (getSelection().isCollapsed) item.focus({ preventScroll: true });
    });
  }

  #commentOf(item) {
    return this.store.state.comments.find((comment) => comment.id === item.dataset.id);
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
