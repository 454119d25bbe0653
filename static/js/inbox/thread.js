// One conversation: its messages by author and day, who has seen them, who types, what one can do about it.

import { ApiError, call } from "../core/api.js";
import { newClientId, setUpComposer } from "../parts/composer.js";
import { byId, isolated, note, paintFace, placeAt, toast, writeTime } from "../parts/dom.js";
import { ago, clock, compact, day, listed } from "../parts/format.js";
import { isBlocked, othersOf, partnerOf } from "./state.js";
import { keep, kept } from "../core/storage.js";
import { nameOf, paintConversation } from "./people.js";
import { paintUnsent, setUpOutbox } from "../core/sending.js";
import { drawRows, sentKey, setUpScroller } from "../parts/scroller.js";
import { tellTyping, TypingLine } from "../parts/typing.js";
import { count, say } from "../core/words.js";

const PAGE = 50;
const RUN_MS = 300_000;
const SEEN_AFTER_MS = 300;
const AGO_EVERY_MS = 30_000;
const JUST_NOW_MS = 60_000;

/** `closed(id)`: the list is back, for the focus to go to the conversation that was open. */
export function setUpThread({ store, line, isShown, closed }) {
  const [part, scroller, list, form, menu] = ["thread", "thread-scroller", "bubbles", "write-message", "thread-menu"].map(byId);
  const path = () => `/conversations/${store.state.thread.conversation.id}`;
  const typists = new TypingLine(byId("thread-typing"));
  let items = new Map();
  let drawn = null;

  const place = setUpScroller({
    scroller, list, pill: byId("newest-message"), loader: byId("older-messages"),
    unseenText: (n) => count("new_messages", n, { shown: compact(n) }),
    reachedEnd: () => seen(),
    async loadOlder() {
      const { topic, messages } = store.state.thread;
      try {
        const page = await call("GET", `${path()}/messages?limit=${PAGE}${messages.length ? `&before=${messages[0].seq}` : ""}`);
        store.dispatch("local_older", { topic, items: page.items });
        return page.next !== null;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        return true;
      }
    },
  });

  const composer = setUpComposer(form, {
    wait: "wait",
    draft: () => (store.state.thread ? `draft ${store.state.viewer.id} ${store.state.thread.topic}` : ""),
    typing: tellTyping(() => (store.state.thread ? `${path()}/typing` : "")),
    send(text) {
      place.toEnd();
      outbox.send({ clientId: newClientId(), conversationId: store.state.thread.conversation.id, body: text, atMs: Date.now() });
    },
  });

  const outbox = setUpOutbox({
    store,
    key: ({ id }) => `unsent ${id}`,
    post: ({ clientId, conversationId, body }) =>
      call("POST", `/conversations/${conversationId}/messages`, { body, client_id: clientId }),
    posted: (message) => store.dispatch("local_posted", { message }),
    takesBack: (error, { conversationId, body }) =>
      conversationId === store.state.thread?.conversation.id && composer.takesBack(error, body),
  });

  // Opening and closing

  const openKey = () => `open ${store.state.viewer.id} ${location.pathname}`;

  function open(conversation, { quietly = false } = {}) {
    if (store.state.thread?.conversation.id === conversation.id) return composer.field.focus();
    close({ quietly: true });
    store.dispatch("local_opened", { conversation });
    const { topic } = conversation;
    place.begin(false);
    line.watch(topic, {
      has: () => (store.state.thread?.topic === topic ? store.state.thread : null),
      deliver,
      lost() {
        if (store.state.thread?.topic !== topic) return;
        close();
        toast(say("conversation_over"));
      },
    });
    keep(openKey(), conversation.id);
    composer.begin();
    store.draw();
    place.toEnd();
    if (quietly) return;
    if (!form.hidden) composer.field.focus();
    else byId("thread-back").focus();
  }

  function close({ quietly = false } = {}) {
    const { thread } = store.state;
    if (!thread) return;
    keep(openKey(), "");
    composer.field.blur();
    line.leave(thread.topic);
    typists.clear();
    store.dispatch("local_closed", {});
    if (!quietly) closed(thread.conversation.id);
  }
  byId("thread-back").addEventListener("click", () => close());
  part.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !menu.matches(":popover-open")) close();
  });

  function deliver(name, data) {
    const { thread, viewer } = store.state;
    if (name === "typing") return isBlocked(store.state, data.viewer.id) ? undefined : typists.heard(data, viewer?.id);
    store.dispatch(name, data);
    if (name === "reset") place.begin(data.snapshot.messages.length >= PAGE);
    if (name !== "message" || store.state.thread.messages === thread.messages) return;
    typists.silence(data.message.author.id);
    if (data.message.author.id !== viewer?.id && isShown()) place.came();
  }

  // Seen: what is at hand, in a tab that is looked at, with the end in view.

  let seenTimer = null;
  let telling = false;
  function seen() {
    seenTimer ??= setTimeout(() => {
      seenTimer = null;
      void tellSeen();
    }, SEEN_AFTER_MS);
  }
  async function tellSeen() {
    const { thread, viewer, inbox } = store.state;
    if (!thread?.messages.length || !viewer || telling || document.hidden || !isShown() || !place.atEnd()) return;
    if (!scroller.checkVisibility({ checkVisibilityCSS: true })) return;
    const { id } = thread.conversation;
    const known = Math.max(thread.seen[viewer.id] ?? 0, inbox.conversations.find((each) => each.id === id)?.seen_seq ?? 0);
    const newest = thread.messages.at(-1).seq;
    if (!thread.messages.some(({ seq, author }) => seq > known && author.id !== viewer.id)) return;
    telling = true;
    try {
      store.dispatch("local_seen", { id, ...await call("PUT", `/conversations/${id}/seen`, { seq: newest }) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next message, or look, tells again.
      return;
    } finally {
      telling = false;
    }
    seen();
  }

  // Drawing

  const asMessage = (sent, viewer) => ({
    id: null, author: viewer, body: sent.body, client_id: sent.clientId, at_ms: sent.atMs, state: sent.state, reason: sent.reason,
  });

  /** What there is to draw, in order: `{day}` before the first message of a day, then messages and how they hang together. */
  function rows({ thread, pending, viewer }) {
    const sending = pending.filter(({ conversationId }) => conversationId === thread.conversation.id);
    const messages = [...thread.messages, ...sending.map((sent) => asMessage(sent, viewer))];
    const joined = (a, b) => a && b && a.author.id === b.author.id && b.at_ms - a.at_ms < RUN_MS && day(a.at_ms) === day(b.at_ms);
    return messages.flatMap((message, at) => {
      const [before, after] = [messages[at - 1], messages[at + 1]];
      const row = {
        key: message.id ?? sentKey(message.client_id), clientId: message.client_id, message,
        starts: !joined(before, message), ends: !joined(message, after),
      };
      const today = day(message.at_ms);
      return before && day(before.at_ms) === today ? [row] : [{ key: `day:${today}`, day: today }, row];
    });
  }

  function create(row) {
    const template = row.day ? "day-template" : "bubble-template";
    return byId(template).content.firstElementChild.cloneNode(true);
  }

  function fill(item, row, state) {
    const { thread, viewer } = state;
    if (row.day) {
      item.textContent = row.day;
      return;
    }
    const { message, starts, ends } = row;
    const mine = message.author.id === viewer?.id;
    const isGroup = thread.conversation.is_group;
    item.className = "message";
    item.dataset.id = message.id ?? "";
    for (const [name, on] of Object.entries({ mine, starts, ends })) item.classList.toggle(name, Boolean(on));
    paintUnsent(item, message);
    const [face, author] = [item.querySelector(".face"), item.querySelector(".message-author")];
    face.hidden = mine || !isGroup;
    paintFace(face, message.author.name);
    author.classList.toggle("hidden", !isGroup || mine || !starts);
    author.firstElementChild.textContent = mine ? say("you") : message.author.name;
    const isRead = !isGroup || !isBlocked(state, message.author.id);
    item.classList.toggle("unread-of", !isRead);
    item.querySelector(".bubble").textContent = isRead ? message.body : say("blocked_said");
    writeTime(item, message.at_ms, clock(message.at_ms));
  }

  function drawMessages(state) {
    const wanted = rows(state);
    drawRows(list, items, wanted, { create, fill: (item, row) => fill(item, row, state), instead: () => scroller });
    drawSeen(state, wanted);
  }

  /** Say under the last own message that somebody has seen who has. */
  function drawSeen(state, wanted) {
    const { thread, viewer } = state;
    const others = othersOf(thread.conversation, viewer).filter(({ id }) => !thread.conversation.is_group || !isBlocked(state, id));
    const by = (message) => others.filter(({ id }) => (thread.seen[id] ?? 0) >= message.seq);
    const last = wanted.findLast(({ message }) => message?.id && message.author.id === viewer?.id && by(message).length);
    for (const [key, item] of items) {
      const shown = item.querySelector(".seen");
      if (!shown) continue;
      const isLast = key === last?.key;
      const text = !isLast ? "" : !thread.conversation.is_group ? say("seen")
        : say("seen_by", { names: listed(by(last.message).map(({ name }) => isolated(name))) });
      if (shown.textContent !== text) note(shown, text);
    }
  }

  // Where there is no title, the name says already that nobody else is there.
  const sizeOf = ({ members, title }) => (members.length > 1 ? count("members", members.length) : title ? say("only_you") : "");

  function whenSeen({ status, last_active_ms: at }) {
    if (status === "online") return say("online");
    if (!at) return "";
    return Date.now() - at < JUST_NOW_MS ? say("active_just_now") : say("last_active", { ago: ago(at) });
  }

  function drawHead(state) {
    const { thread: { conversation }, viewer, presence } = state;
    const partner = partnerOf(conversation, viewer);
    paintConversation(byId("thread-face"), conversation, { viewer, presence });
    byId("thread-name").textContent = nameOf(conversation, viewer);
    const known = partner && presence[partner.id];
    note(byId("thread-status"), conversation.is_group ? sizeOf(conversation) : known ? whenSeen(known) : "");
    const blocked = Boolean(partner) && isBlocked(state, partner.id);
    if (blocked) typists.silence(partner.id);
    byId("block").hidden = !partner || blocked;
    byId("unblock").hidden = !blocked;
    byId("leave").hidden = !conversation.is_group;
    byId("is-blocked").hidden = !blocked;
    note(byId("blocked-text"), blocked ? say("you_block", { name: isolated(partner.name) }) : "");
    form.hidden = blocked;
  }
  setInterval(() => { if (store.state.thread && isShown()) drawHead(store.state); }, AGO_EVERY_MS);

  function render(state) {
    part.hidden = state.thread === null;
    if (!state.thread) {
      if (drawn?.thread) {
        list.replaceChildren();
        items = new Map();
      }
      drawn = state;
      return;
    }
    if (state !== drawn) {
      if (drawn?.thread && drawn.thread.topic !== state.thread.topic) {
        list.replaceChildren();
        items = new Map();
      }
      drawn = state;
      drawHead(state);
      byId("thread-loading").hidden = state.thread.seq !== null;
      byId("thread-nothing").hidden = state.thread.seq === null || state.thread.messages.length + state.pending.length > 0;
      place.keepingPlace(() => drawMessages(state));
    }
    seen();
  }

  // What one can do

  menu.addEventListener("toggle", (event) => { if (event.newState === "open") placeAt(byId("thread-more"), menu); });

  async function act(work) {
    menu.hidePopover();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.advice);
    }
  }
  const block = (is) => act(async () => {
    const { id } = partnerOf(store.state.thread.conversation, store.state.viewer);
    await call(is ? "PUT" : "DELETE", `/blocks/${id}`);
    store.dispatch("local_blocked", { id, is });
    store.draw();
    (is ? byId("unblock-here") : composer.field).focus();
  });
  byId("block").addEventListener("click", () => void block(true));
  for (const id of ["unblock", "unblock-here"]) byId(id).addEventListener("click", () => void block(false));
  const dialog = byId("leave-dialog");
  byId("leave").addEventListener("click", () => {
    menu.hidePopover();
    dialog.showModal();
  });
  byId("leave-yes").addEventListener("click", () => {
    dialog.close();
    void act(async () => {
      await call("DELETE", `${path()}/members/${store.state.viewer.id}`);
      close();
    });
  });

  list.addEventListener("click", (event) => {
    const what = event.target.closest("[data-do]")?.dataset.do;
    const item = event.target.closest(".message");
    const sent = what && store.state.pending.find(({ clientId }) => items.get(sentKey(clientId)) === item);
    if (!sent) return;
    if (what === "again") outbox.send(sent);
    else store.dispatch("local_dropped", { clientId: sent.clientId });
  });

  /** The id of the conversation that was open before the page was loaded again, "" for none. */
  const before = () => kept(openKey());

  return { open, close, render, seen, before, remember: outbox.remember, wake: outbox.wake };
}
