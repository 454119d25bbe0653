// The comments: the list, what is new, older ones, the composer, and what a moderator may do.

import { ApiError, call } from "../core/api.js";
import { newClientId, setUpComposer } from "../parts/composer.js";
import { announcer, byId, paintFace, writeTime } from "../parts/dom.js";
import { compact, offset } from "../parts/format.js";
import { paintUnsent, setUpOutbox } from "../core/sending.js";
import { drawRows, sentKey, setUpScroller } from "../parts/scroller.js";
import { isOpen, isRead } from "./state.js";
import { tellTyping, TypingLine } from "../parts/typing.js";
import { count, say } from "../core/words.js";

const PAGE = 50;
const KEPT_MAX = 300;
const KEPT = 200;
const QUOTE_MAX = 60;
const TYPISTS_VIEWERS_MAX = 50;

const shorten = (text) => (text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX - 1)}…` : text);

/**
 * Wire the column. `store`: the page's state; `asViewer(work)`: run it once the viewer has a name; `message(person)`:
 * open a conversation.
 */
export function setUpComments({ store, asViewer, message }) {
  const videoPath = `/videos/${store.state.video.id}`;
  const path = `${videoPath}/comments`;
  const [scroller, list, form] = ["scroller", "list", "write"].map(byId);
  const items = new Map();
  const drawn = new WeakMap();
  let replyTo = null;

  // The list

  function create() {
    return byId("comment-template").content.firstElementChild.cloneNode(true);
  }

  /** Write a comment into its item. Text only. */
  function fill(item, comment, parent, state) {
    const { author } = comment;
    const mine = author.id === state.viewer?.id;
    item.dataset.id = comment.id ?? "";
    item.className = "comment";
    item.classList.toggle("mine", mine);
    item.classList.toggle("is-pinned", Boolean(comment.pinned));
    paintUnsent(item, comment);
    paintFace(item.querySelector(".face"), author.name);
    item.querySelector(".comment-name").textContent = author.name;
    item.querySelector(".comment-body").textContent = comment.body;
    for (const badge of item.querySelectorAll(".role")) badge.hidden = badge.dataset.role !== author.role;
    item.querySelector(".you").hidden = !mine;
    writeTime(item, comment.at_ms, offset(comment.at_ms, state.video.started_at_ms));
    fillQuote(item, comment, parent);
    const open = state.video.comments_enabled && isOpen(state);
    const may = { reply: open, message: !mine && comment.id !== null, pin: state.canModerate && !comment.pinned, delete: state.canModerate || mine };
    const tools = [...item.querySelectorAll(".tool")];
    for (const tool of tools) tool.hidden = !may[tool.dataset.do];
    item.querySelector(".tools").hidden = tools.every((tool) => tool.hidden);
  }

  function fillQuote(item, comment, parent) {
    const quote = item.querySelector(".quote");
    quote.hidden = !comment.reply_to;
    if (!comment.reply_to) return;
    const text = quote.querySelector("span");
    if (!parent) {
      text.textContent = say("earlier");
      return;
    }
    const name = document.createElement("bdi");
    name.textContent = parent.author.name;
    text.replaceChildren(name, `: ${shorten(parent.body)}`);
  }

  const asComment = (sent, viewer) => ({
    id: null, author: { ...viewer, role: null }, body: sent.body, reply_to: sent.replyTo, client_id: sent.clientId,
    at_ms: sent.atMs, pinned: false, state: sent.state, reason: sent.reason,
  });

  // What an item was drawn from; drawn again only when that changed.
  const inputs = (comment, parent, state) => [
    comment, parent, state.viewer?.id, state.canModerate, state.video.started_at_ms, state.video.comments_enabled, isOpen(state),
  ];
  const same = (a, b) => a && a.every((value, at) => value === b[at]);

  let pendingViews = new Map();

  function draw(state) {
    // The server draws comments to be read: what can be done with one comes with the items that are made here.
    if (items.size === 0) list.replaceChildren();
    const views = new Map();
    for (const sent of state.viewer ? state.pending : []) {
      const known = pendingViews.get(sent);
      views.set(sent, known ?? asComment(sent, state.viewer));
    }
    pendingViews = views;
    const [comments, pinned] = [state.comments, state.pinned].map((some) => some.filter(({ author }) => isRead(state, author)));
    const rows = [...comments, ...views.values()].map((comment) => (
      { key: comment.id ?? sentKey(comment.client_id), clientId: comment.client_id, comment }
    ));
    const known = new Map([...pinned, ...comments].map((comment) => [comment.id, comment]));
    drawRows(list, items, rows, {
      create,
      fill(item, { comment }) {
        const parent = known.get(comment.reply_to);
        const now = inputs(comment, parent, state);
        if (same(drawn.get(item), now)) return;
        fill(item, comment, parent, state);
        drawn.set(item, now);
      },
      instead: (item) => item.nextElementSibling ?? item.previousElementSibling ?? scroller,
    });
  }

  const place = setUpScroller({
    scroller, list, pill: byId("newest"), loader: byId("older"),
    unseenText: (n) => count("new", n, { shown: compact(n) }),
    async loadOlder() {
      try {
        const oldest = store.state.comments[0]?.seq;
        const page = await call("GET", `${path}?limit=${PAGE}${oldest ? `&before=${oldest}` : ""}`);
        store.dispatch("local_older", { items: page.items });
        return page.next !== null;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        // The next scroll tries again.
        return true;
      }
    },
  });
  place.begin(store.state.comments.length >= PAGE);

  // Screen readers hear of new comments now and then, not of each.
  const announce = announcer(byId("said"), (last, n) => {
    const values = { name: last.author.name, text: last.body };
    return n === 1 ? say("said", values) : count("said_more", n, values);
  });

  // The keyboard: the arrows go from comment to comment, Tab to what can be done with one.

  scroller.addEventListener("keydown", (event) => {
    const item = document.activeElement.closest?.(".comment");
    if (!item && event.target !== scroller) return;
    const to = {
      ArrowUp: item ? item.previousElementSibling : list.lastElementChild,
      ArrowDown: item?.nextElementSibling,
      Home: list.firstElementChild,
      End: list.lastElementChild,
    }[event.key];
    if (event.key === "Escape" && item) scroller.focus();
    else if (to) to.focus();
    else return;
    event.preventDefault();
  });
  list.addEventListener("focusin", (event) => setReach(event.target.closest(".comment"), 0));
  list.addEventListener("focusout", (event) => setReach(event.target.closest(".comment"), -1));
  function setReach(item, tabIndex) {
    for (const button of item?.querySelectorAll("button") ?? []) button.tabIndex = tabIndex;
  }

  // What one does with a comment

  const commentOf = (item) => store.state.comments.find((comment) => comment.id === item.dataset.id);

  function show(id) {
    const item = items.get(id);
    if (!item) return;
    item.scrollIntoView({ block: "center" });
    item.classList.add("flash");
    setTimeout(() => item.classList.remove("flash"), 1_500);
    item.focus({ preventScroll: true });
  }

  list.addEventListener("click", (event) => {
    const item = event.target.closest(".comment");
    if (!item) return;
    if (event.target.closest(".quote-link")) return show(commentOf(item)?.reply_to);
    const act = event.target.closest("[data-do]")?.dataset.do;
    // A tap on a comment shows its tools.
    if (!act) return getSelection().isCollapsed ? item.focus({ preventScroll: true }) : undefined;
    acts[act](item);
  });

  const sentOf = (item) => store.state.pending.find((sent) => items.get(sentKey(sent.clientId)) === item);
  const acts = {
    reply: (item) => asViewer(() => reply(commentOf(item))),
    message: (item) => message(commentOf(item).author),
    pin: (item) => void moderate(() => call("PUT", `${path}/${item.dataset.id}/pin`)),
    delete: (item) => askToDelete(commentOf(item)),
    again: (item) => outbox.send(sentOf(item)),
    drop: (item) => store.dispatch("local_dropped", { clientId: sentOf(item).clientId }),
  };

  async function moderate(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      composer.complain(error.advice);
    }
  }
  byId("unpin").addEventListener("click", () => {
    const pinned = store.state.pinned.at(-1);
    if (pinned) void moderate(() => call("DELETE", `${path}/${pinned.id}/pin`));
  });

  // A long pinned comment is cut to a few lines until it is pressed.
  const pinnedText = byId("pinned-text");
  pinnedText.addEventListener("click", () => {
    pinnedText.setAttribute("aria-expanded", String(pinnedText.getAttribute("aria-expanded") !== "true"));
  });

  const deleteDialog = byId("delete-dialog");
  let toDelete = null;
  function askToDelete(comment) {
    if (!comment) return;
    toDelete = comment.id;
    byId("delete-body").textContent = comment.body;
    deleteDialog.showModal();
  }
  byId("delete-yes").addEventListener("click", () => {
    deleteDialog.close();
    void moderate(async () => {
      await call("DELETE", `${path}/${toDelete}`);
      store.dispatch("local_deleted", { id: toDelete });
    });
  });

  function answer(comment) {
    replyTo = comment ?? null;
    byId("replying").hidden = !comment;
    byId("replying-text").textContent = comment ? say("replying_to", { name: comment.author.name }) : "";
  }
  function reply(comment) {
    answer(comment);
    composer.field.focus();
  }
  byId("reply-stop").addEventListener("click", () => reply(null));

  // The composer

  const typists = new TypingLine(byId("typing"));
  const composer = setUpComposer(form, {
    wait: "wait_comment",
    draft: () => (store.state.viewer ? `draft ${store.state.viewer.id} ${store.state.topic}` : ""),
    escape() {
      if (!replyTo) return false;
      reply(null);
      return true;
    },
    typing: tellTyping(() => (store.state.viewers.count <= TYPISTS_VIEWERS_MAX ? `${videoPath}/typing` : "")),
    send(text) {
      const sent = { clientId: newClientId(), body: text, replyTo: replyTo?.id ?? null, atMs: Date.now() };
      if (replyTo) reply(null);
      place.toEnd();
      outbox.send(sent);
    },
  });

  const outbox = setUpOutbox({
    store,
    key: ({ id }) => `unsent ${id} ${store.state.topic}`,
    post: ({ clientId, body, replyTo: parent }) =>
      call("POST", path, { body, client_id: clientId, ...(parent && { reply_to: parent }) }),
    posted: (comment) => store.dispatch("local_posted", { comment }),
    takesBack: (error, { body }) => composer.takesBack(error, body),
  });

  function drawComposer(state) {
    const { video, viewer, over } = state;
    const open = video.comments_enabled && isOpen(state);
    byId("closed-ended").hidden = video.status !== "ended" || over;
    byId("closed-off").hidden = video.comments_enabled || !isOpen(state);
    byId("closed-over").hidden = !over;
    const isWriting = form.contains(document.activeElement);
    byId("join").hidden = !open || Boolean(viewer);
    form.hidden = !open || !viewer;
    if (isWriting && open && !viewer) byId("join-name").focus();
  }

  function drawPinned(state) {
    const { pinned, canModerate } = state;
    const top = pinned.findLast(({ author }) => isRead(state, author));
    byId("pinned").hidden = !top;
    byId("pinned-name").textContent = top?.author.name ?? "";
    byId("pinned-body").textContent = top?.body ?? "";
    byId("unpin").hidden = !canModerate;
  }

  byId("comments").removeAttribute("aria-busy");
  return {
    /** A comment came as an event. */
    commented({ comment }) {
      typists.silence(comment.author.id);
      if (comment.author.id === store.state.viewer?.id || !isRead(store.state, comment.author)) return;
      place.came();
      announce(comment);
    },
    /** Somebody is writing one. */
    typed: (data) => { if (isRead(store.state, data.viewer)) typists.heard(data, store.state.viewer?.id); },
    /** The connection is back. */
    wake: outbox.wake,
    render(state, before) {
      outbox.remember(state);
      place.keepingPlace(() => draw(state));
      // Nobody can answer what is deleted.
      if (replyTo && state.gone.has(replyTo.id)) answer(null);
      const open = state.video.comments_enabled && state.video.status !== "ended";
      byId("nothing").hidden = items.size > 0 || !open;
      if (state.blocked !== before?.blocked) state.blocked.forEach((id) => typists.silence(id));
      if (state.pinned !== before?.pinned || state.blocked !== before?.blocked) drawPinned(state);
      // What was wrong was wrong with somebody else.
      if (before && state.viewer && state.viewer.id !== before.viewer?.id) composer.complain("");
      if (state.video !== before?.video || state.viewer !== before?.viewer || state.over !== before?.over) drawComposer(state);
      if (state.comments.length > KEPT_MAX && place.atEnd()) {
        place.begin(true);
        store.dispatch("local_trimmed", { keep: KEPT });
      }
    },
  };
}
