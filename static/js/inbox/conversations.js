// The list of conversations, the newest first, and how one is called and drawn.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { byId, isolated, paintFace, writeTime } from "../parts/dom.js";
import { capped, listed, shortly } from "../parts/format.js";
import { Rows } from "../parts/list.js";
import { isBlocked, othersOf, partnerOf } from "./state.js";

const LISTED = 50;
const NEAR_END_PX = 240;

/** What a conversation is called: its title, or who else is in it, if anybody is. */
export const nameOf = (conversation, viewer) =>
  conversation.title || listed(othersOf(conversation, viewer).map(({ name }) => isolated(name))) || translate("only_you");

/** Draw the face of a conversation, with a dot for one who is online. */
export function paintConversation(face, conversation, { viewer, presence }) {
  const partner = partnerOf(conversation, viewer);
  paintFace(face, { name: conversation.title || (partner ?? othersOf(conversation, viewer)[0])?.name || "?" });
  face.parentElement.dataset.online = String(partner !== null && presence[partner.id]?.status === "online");
}

const isListed = ({ last, is_group: isGroup }) => last !== null || isGroup;

export class ConversationList {
  #box = byId("inbox");
  #list = byId("conversations");
  #rows;
  // Of the page before the last that was loaded; null: there is no more.
  #cursor;
  #isLoading = false;

  /** `frame`: see inbox.js; `open(conversation)`. */
  constructor({ store, frame, open }) {
    Object.assign(this, { store, frame, open });
    this.#rows = new Rows(this.#list, {
      create: ({ key }) => {
        const item = byId("conversation-template").content.firstElementChild.cloneNode(true);
        item.dataset.id = key;
        return item;
      },
      fill: (item, { conversation }) => fillConversation(item, conversation, store.state),
      instead: (item) => (item.nextElementSibling ?? item.previousElementSibling)?.firstElementChild ?? frame.entry,
    });
    this.#list.addEventListener("focusin", (event) => this.#setReach(event.target.closest("button")));
    this.#list.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    this.#box.addEventListener("scroll", () => {
      if (this.#box.scrollHeight - this.#box.clientHeight - this.#box.scrollTop < NEAR_END_PX) void this.#loadOlder();
    }, { passive: true });
  }

  /** Begin anew, for another viewer. */
  clear() {
    this.#cursor = undefined;
  }

  focus(id) {
    (this.#rows.item(id)?.firstElementChild ?? this.#list.querySelector("button") ?? this.frame.entry).focus();
  }

  render({ viewer, inbox, thread }) {
    const isUnder = thread !== null && !this.frame.isBeside;
    this.#box.hidden = !viewer || isUnder;
    const wanted = inbox.conversations.filter(isListed);
    byId("inbox-nothing").hidden = inbox.seq === null || wanted.length > 0;
    byId("inbox-loading").hidden = !viewer || inbox.seq !== null;
    if (isUnder) return;
    this.#rows.draw(wanted.map((conversation) => ({ key: conversation.id, conversation })));
    this.#setReach();
  }

  // One stop for Tab, the arrows go from one to the next.
  #setReach(focused = this.#list.querySelector("button:focus") ?? this.#list.querySelector("button")) {
    for (const button of this.#list.querySelectorAll("button")) button.tabIndex = button === focused ? 0 : -1;
  }

  #pressed(event) {
    const item = event.target.closest("li");
    const to = {
      ArrowUp: item?.previousElementSibling, ArrowDown: item?.nextElementSibling,
      Home: this.#list.firstElementChild, End: this.#list.lastElementChild,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    to.firstElementChild.focus();
  }

  #clicked(event) {
    const id = event.target.closest("li")?.dataset.id;
    const conversation = this.store.state.inbox.conversations.find((each) => each.id === id);
    if (conversation) this.open(conversation);
  }

  /** Load more than the topic holds. */
  async #loadOlder() {
    if (this.#isLoading || this.#cursor === null || this.store.state.inbox.conversations.length < LISTED) return;
    this.#isLoading = true;
    try {
      const before = this.#cursor ? `&before=${encodeURIComponent(this.#cursor)}` : "";
      const page = await call("GET", `/conversations?limit=${LISTED}${before}`);
      this.#cursor = page.next;
      this.store.dispatch("local_more", { items: page.items });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next scroll tries again.
    } finally {
      this.#isLoading = false;
    }
  }
}

function fillConversation(item, conversation, state) {
  const { last, unread } = conversation;
  item.firstElementChild.setAttribute("aria-current", String(conversation.id === state.thread?.conversation.id));
  const face = item.querySelector(".face");
  paintConversation(face, conversation, state);
  item.querySelector(".is-online").hidden = face.parentElement.dataset.online !== "true";
  item.querySelector(".who").textContent = nameOf(conversation, state.viewer);
  const at = last?.at_ms ?? conversation.created_at_ms;
  writeTime(item, at, shortly(at));
  item.querySelector(".last").textContent = lastText(conversation, state);
  item.classList.toggle("unread", unread > 0);
  item.querySelector(".count").hidden = unread === 0;
  item.querySelector(".unread-badge").textContent = capped(unread);
  item.querySelector(".count .hidden").textContent = unread ? plural("unread", unread) : "";
}

function lastText({ last, is_group: isGroup }, state) {
  if (!last) return translate("nothing_said");
  if (last.author.id === state.viewer?.id) return translate("own_last", { text: last.body });
  if (!isGroup) return last.body;
  if (isBlocked(state, last.author.id)) return translate("blocked_said");
  return translate("said", { name: isolated(last.author.name), text: last.body });
}
