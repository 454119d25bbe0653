// The inbox beside the video: its tab and badge, the list of conversations, who is online, how one starts. The open
// conversation is thread.js. State and the rule of its change are state.js.

import { ApiError, call } from "../core/api.js";
import { announcer, byId, isolated, perFrame, toast, writeTime } from "../parts/dom.js";
import { shortly } from "../parts/format.js";
import { apply, first, isBlocked, partnerOf, unreadOf } from "./state.js";
import { keep, kept } from "../core/storage.js";
import { nameOf, paintConversation } from "./people.js";
import { setUpThread } from "./thread.js";
import { count, say } from "../core/words.js";

const DOTS_MAX = 20;
const BADGE_MAX = 99;
const LISTED = 50;
const NEAR_END_PX = 240;

const capped = (number) => (number > BADGE_MAX ? `${BADGE_MAX}+` : String(number));

/**
 * `viewer`: who looks; `line`: the page's end of the hub; `asViewer(work)`: run it once the viewer has a name;
 * `blocked(ids)`: whom the viewer blocks, when it becomes known and when it changes.
 */
export function setUpInbox({ viewer, line, asViewer, blocked }) {
  const [panel, list] = ["messages", "conversations"].map(byId);
  const column = `column ${location.pathname}`;
  const tabs = setUpTabs(["comments", "messages"], (name) => {
    keep(column, name);
    refused.clear();
    render();
  });
  const isShown = () => !panel.hidden;
  let drawn = null;
  const render = perFrame(draw);
  const store = {
    state: first(viewer),
    dispatch(name, data) {
      const before = store.state.inbox;
      store.state = apply(store.state, name, data);
      const { inbox } = store.state;
      if (inbox.seq !== null && (before.seq === null || inbox.blocked !== before.blocked)) blocked(inbox.blocked);
      follow();
      render();
    },
    draw,
  };
  const thread = setUpThread({ store, line, isShown, closed: backToList });

  // What is followed: the viewer's own topic; who is online while it can be seen.

  let own = null;
  const dots = new Set();
  const refused = new Set();
  function follow() {
    const { viewer: who, inbox } = store.state;
    if (inbox.topic !== own) {
      if (own) line.leave(own);
      own = inbox.topic;
      if (own) {
        line.watch(own, {
          has: () => (store.state.inbox.topic === own ? store.state.inbox : null),
          deliver,
          lost() { /* The session is over: `signedOut` says so. */ },
        });
      }
    }
    const wanted = new Set(who && isShown() ? peopleShown().filter((id) => !refused.has(id)) : []);
    for (const id of dots) if (!wanted.has(id)) forget(id);
    for (const id of wanted) {
      if (dots.has(id)) continue;
      dots.add(id);
      line.watch(`presence:${id}`, {
        has: () => null,
        deliver: (name, data) => store.dispatch(name, data),
        lost() {
          // Not for us: they have not written to us, or block us.
          dots.delete(id);
          refused.add(id);
          store.dispatch("local_unknown", { id });
        },
      });
    }
  }
  function forget(id) {
    dots.delete(id);
    line.leave(`presence:${id}`);
  }
  function peopleShown() {
    const { viewer: who, inbox, thread: open } = store.state;
    const partners = [open?.conversation, ...inbox.conversations].map((each) => each && partnerOf(each, who)?.id).filter(Boolean);
    return [...new Set(partners)].filter((id) => !isBlocked(store.state, id)).slice(0, DOTS_MAX);
  }

  const announce = announcer(byId("said"), (last, n) => {
    const values = { name: last.author.name, text: last.body };
    return n === 1 ? say("message_said", values) : count("messages_said", n, values);
  });
  function deliver(name, data) {
    const { seq } = store.state.inbox;
    // What may have changed who is shown to whom: their online dots are asked for again.
    if (name === "message") refused.delete(data.message.author.id);
    else if (name === "blocked") refused.clear();
    store.dispatch(name, data);
    if (name === "reset") void reopen();
    if (name === "message" && data.seq > seq && data.message.author.id !== store.state.viewer?.id && !isBlocked(store.state, data.message.author.id)) announce(data.message);
    if (name === "conversation" && data.conversation.left && data.conversation.id === store.state.thread?.conversation.id) thread.close();
  }

  // A page that is loaded again shows the conversation that it showed.
  let isReopened = false;
  async function reopen() {
    if (isReopened) return;
    isReopened = true;
    const { viewer: who, inbox } = store.state;
    const id = thread.before();
    if (!id || store.state.thread) return;
    try {
      const conversation = inbox.conversations.find((each) => each.id === id) ?? await call("GET", `/conversations/${id}`);
      if (store.state.viewer === who && !store.state.thread) thread.open(conversation, { quietly: true });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // It is in the list, if it is still there.
    }
  }

  // The list

  const items = new Map();
  const isListed = ({ last, is_group: isGroup }) => last !== null || isGroup;
  function drawList(state) {
    const wanted = state.inbox.conversations.filter(isListed);
    let place = list.firstElementChild;
    for (const conversation of wanted) {
      let item = items.get(conversation.id);
      if (!item) {
        item = byId("conversation-template").content.firstElementChild.cloneNode(true);
        item.dataset.id = conversation.id;
        items.set(conversation.id, item);
      }
      fill(item, conversation, state);
      if (item === place) place = place.nextElementSibling;
      else if (item.contains(document.activeElement)) {
        // Moving it would take the focus from it: the others move.
        while (place !== item) {
          const next = place.nextElementSibling;
          list.append(place);
          place = next;
        }
        place = item.nextElementSibling;
      } else list.insertBefore(item, place);
    }
    const kept = new Set(wanted.map(({ id }) => id));
    for (const [id, item] of items) {
      if (kept.has(id)) continue;
      if (item.contains(document.activeElement)) ((item.nextElementSibling ?? item.previousElementSibling)?.firstElementChild ?? byId("tab-messages")).focus();
      item.remove();
      items.delete(id);
    }
    setReach();
  }

  function fill(item, conversation, state) {
    const { last, unread } = conversation;
    paintConversation(item.querySelector(".face"), conversation, state);
    item.querySelector(".is-online").hidden = item.querySelector(".face").parentElement.dataset.online !== "true";
    item.querySelector(".who").textContent = nameOf(conversation, state.viewer);
    const at = last?.at_ms ?? conversation.created_at_ms;
    writeTime(item, at, shortly(at));
    item.querySelector(".last").textContent = !last ? say("nothing_said")
      : last.author.id === state.viewer?.id ? say("own_last", { text: last.body })
        : !conversation.is_group ? last.body
          : isBlocked(state, last.author.id) ? say("blocked_said") : say("said", { name: isolated(last.author.name), text: last.body });
    item.classList.toggle("unread", unread > 0);
    item.querySelector(".count").hidden = unread === 0;
    item.querySelector(".unread-badge").textContent = capped(unread);
    item.querySelector(".count .hidden").textContent = unread ? count("unread", unread) : "";
  }

  // One stop for Tab, the arrows go from one to the next.
  function setReach(focused = list.querySelector("button:focus") ?? list.querySelector("button")) {
    for (const button of list.querySelectorAll("button")) button.tabIndex = button === focused ? 0 : -1;
  }
  list.addEventListener("focusin", (event) => setReach(event.target.closest("button")));
  list.addEventListener("keydown", (event) => {
    const item = event.target.closest("li");
    const to = {
      ArrowUp: item?.previousElementSibling, ArrowDown: item?.nextElementSibling,
      Home: list.firstElementChild, End: list.lastElementChild,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    to.firstElementChild.focus();
  });
  list.addEventListener("click", (event) => {
    const id = event.target.closest("li")?.dataset.id;
    const conversation = store.state.inbox.conversations.find((each) => each.id === id);
    if (conversation) thread.open(conversation);
  });

  function backToList(id) {
    draw();
    (items.get(id)?.firstElementChild ?? list.querySelector("button") ?? byId("tab-messages")).focus();
  }

  // More conversations than the topic holds

  let older;
  let loading = false;
  byId("inbox").addEventListener("scroll", () => {
    const box = byId("inbox");
    if (box.scrollHeight - box.clientHeight - box.scrollTop < NEAR_END_PX) void loadOlder();
  }, { passive: true });
  async function loadOlder() {
    if (loading || older === null || store.state.inbox.conversations.length < LISTED) return;
    loading = true;
    try {
      const page = await call("GET", `/conversations?limit=${LISTED}${older ? `&before=${encodeURIComponent(older)}` : ""}`);
      older = page.next;
      store.dispatch("local_more", { items: page.items });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next scroll tries again.
    } finally {
      loading = false;
    }
  }

  // All of it

  function draw() {
    const { state } = store;
    const unread = unreadOf(state);
    const badge = byId("unread");
    badge.hidden = unread === 0;
    badge.textContent = capped(unread);
    byId("unread-words").textContent = unread ? count("unread", unread) : "";
    byId("comments-toggle").classList.toggle("has-unread", unread > 0);
    follow();
    thread.remember(state);
    if (!isShown()) return;
    byId("inbox-join").hidden = Boolean(state.viewer);
    byId("inbox").hidden = !state.viewer || state.thread !== null;
    byId("inbox-nothing").hidden = state.inbox.seq === null || state.inbox.conversations.some(isListed);
    byId("inbox-loading").hidden = !state.viewer || state.inbox.seq !== null;
    if (state !== drawn && !state.thread) drawList(state);
    thread.render(state);
    drawn = state;
  }
  draw();
  if (viewer && kept(column) === "messages") tabs.show("messages");

  return {
    /** Somebody else looks now, or nobody. */
    identify(who) {
      if (who?.id === store.state.viewer?.id) return;
      const isHere = panel.contains(document.activeElement);
      thread.close({ quietly: true });
      older = undefined;
      refused.clear();
      store.dispatch("local_viewer", { viewer: who });
      if (who || !isHere) return;
      draw();
      byId("inbox-name").focus();
    },
    /** Write to somebody: their conversation is opened, made if there is none. */
    message: (person) => asViewer(async () => {
      try {
        const known = store.state.inbox.conversations.find((each) => partnerOf(each, store.state.viewer)?.id === person.id);
        const conversation = known ?? await call("POST", "/conversations", { members: [person.id] });
        store.dispatch("local_conversation", { conversation });
        tabs.show("messages");
        thread.open(conversation);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        toast(error.advice);
      }
    }),
    /** The page is looked at again. */
    seen: () => thread.seen(),
    /** The connection is back. */
    wake: thread.wake,
  };
}

/** Wire the tabs of the column; `changed(name)`. */
function setUpTabs(names, changed) {
  const buttons = names.map((name) => byId(`tab-${name}`));
  const panels = { comments: byId("comments-panel"), messages: byId("messages") };
  function show(name, { focus = false } = {}) {
    for (const [at, button] of buttons.entries()) {
      const selected = names[at] === name;
      button.setAttribute("aria-selected", String(selected));
      button.tabIndex = selected ? 0 : -1;
      if (selected && focus) button.focus();
      panels[names[at]].hidden = !selected;
    }
    changed(name);
  }
  for (const [at, button] of buttons.entries()) {
    button.addEventListener("click", () => show(names[at]));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] * (document.dir === "rtl" ? -1 : 1);
      const to = { Home: 0, End: names.length - 1 }[event.key] ?? (step ? (at + step + names.length) % names.length : null);
      if (to === null) return;
      event.preventDefault();
      show(names[to], { focus: true });
    });
  }
  return { show };
}
