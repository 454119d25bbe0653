// The messages of the open conversation, by author and day; who has seen them, and which of them the viewer has seen.

import { ApiError, call } from "../core/api.js";
import { asWritten } from "../core/pending.js";
import { translate } from "../core/words.js";
import { byId, isolated, note, paintFace, writeTime } from "../parts/dom.js";
import { clock, day, listed } from "../parts/format.js";
import { linked } from "../parts/links.js";
import { keyOf, paintPending, Rows } from "../parts/list.js";
import { isBlocked, othersOf } from "./state.js";

const RUN_MS = 300_000;
const SEEN_AFTER_MS = 300;

/** Whether two messages hang together: of one author, one day, soon after each other. */
const isRun = (a, b) => a && b && a.author.id === b.author.id && b.at_ms - a.at_ms < RUN_MS && day(a.at_ms) === day(b.at_ms);

/** What there is to draw, in order: `{day}` before the first message of a day, then messages and how they hang together. */
function rowsOf({ thread, pending, viewer }) {
  const sending = pending.filter(({ conversationId }) => conversationId === thread.conversation.id);
  const messages = [...thread.messages, ...sending.map((sent) => asWritten(sent, viewer))];
  return messages.flatMap((message, at) => {
    const [before, after] = [messages[at - 1], messages[at + 1]];
    const row = {
      key: keyOf(message), clientId: message.client_id, message,
      starts: !isRun(before, message), ends: !isRun(message, after),
    };
    const today = day(message.at_ms);
    return before && day(before.at_ms) === today ? [row] : [{ key: `day:${today}`, day: today }, row];
  });
}

export class Messages {
  #list = byId("bubbles");
  #rows;

  /** `sender`: of what is pending; `scroller`: of the list; `more(message, item)`: show what can be done with a message. */
  constructor({ store, sender, scroller, more }) {
    Object.assign(this, { store, sender, scroller, more });
    this.#rows = new Rows(this.#list, {
      create: (row) => byId(row.day ? "day-template" : "bubble-template").content.firstElementChild.cloneNode(true),
      fill(item, row) {
        if (row.day) item.textContent = row.day;
        else fillMessage(item, row, store.state);
      },
      instead: (item) => item.nextElementSibling ?? item.previousElementSibling ?? scroller,
    });
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    scroller.addEventListener("keydown", (event) => this.#pressed(event));
  }

  clear() {
    this.#rows.clear();
  }

  #clicked(event) {
    const item = event.target.closest(".message");
    const act = event.target.closest("[data-do]")?.dataset.do;
    const sent = act && this.#rows.pendingOf(item, this.store.state.pending);
    if (sent) return act === "again" ? this.sender.send(sent) : this.sender.drop(sent);
    // A tap on a message opens what a mouse finds at its side.
    if (act === "more" || (event.pointerType === "touch" && event.target.matches(".bubble") && getSelection().isCollapsed)) this.#open(item);
  }

  #open(item) {
    const message = this.store.state.thread.messages.find(({ id }) => id === item.dataset.id);
    if (message) this.more(message, item.querySelector(".bubble"));
  }

  // The keyboard: the arrows go from message to message, Enter to what can be done with one.
  #pressed(event) {
    const item = document.activeElement.closest(".message");
    if (!item && event.target !== this.scroller) return;
    const items = [...this.#list.querySelectorAll(".message")];
    const at = item ? items.indexOf(item) : items.length;
    const to = { ArrowUp: items[at - 1], ArrowDown: items[at + 1], Home: items[0], End: items.at(-1) }[event.key];
    if (!to && (event.key !== "Enter" || event.target !== item)) return;
    event.preventDefault();
    if (to) to.focus();
    else this.#open(item);
  }

  render(state) {
    const rows = rowsOf(state);
    this.#rows.draw(rows);
    this.#drawSeen(state, rows);
  }

  /** Write under the last own message that somebody has seen who has. */
  #drawSeen({ thread, viewer, ...state }, rows) {
    const { conversation } = thread;
    const others = othersOf(conversation, viewer).filter(({ id }) => !conversation.is_group || !isBlocked(state, id));
    const by = (message) => others.filter(({ id }) => (thread.seen[id] ?? 0) >= message.seq);
    const last = rows.findLast(({ message }) => message?.id && message.author.id === viewer?.id && by(message).length);
    for (const [key, item] of this.#rows.entries) {
      const line = item.querySelector(".seen");
      if (!line) continue;
      const text = key !== last?.key ? "" : !conversation.is_group ? translate("seen")
        : translate("seen_by", { names: listed(by(last.message).map(({ name }) => isolated(name))) });
      if (line.textContent !== text) note(line, text);
    }
  }
}

function fillMessage(item, { message, starts, ends }, state) {
  const isMine = message.author.id === state.viewer?.id;
  const isGroup = state.thread.conversation.is_group;
  item.className = "message";
  item.dataset.id = message.id ?? "";
  for (const [name, on] of Object.entries({ mine: isMine, starts, ends })) item.classList.toggle(name, Boolean(on));
  paintPending(item, message);
  const [face, author] = [item.querySelector(".face"), item.querySelector(".message-author")];
  face.hidden = isMine || !isGroup;
  paintFace(face, message.author);
  author.classList.toggle("hidden", !isGroup || isMine || !starts);
  author.firstElementChild.textContent = isMine ? translate("you") : message.author.name;
  const isRead = !isGroup || !isBlocked(state, message.author.id);
  item.classList.toggle("unread-of", !isRead);
  item.querySelector(".bubble").replaceChildren(...(isRead ? linked(message.body) : [translate("blocked_said")]));
  writeTime(item, message.at_ms, clock(message.at_ms));
  item.classList.toggle("was-edited", Boolean(message.edited_at_ms));
  item.querySelector(".edited").hidden = !message.edited_at_ms;
  item.querySelector("[data-do=more]").hidden = !message.id || !isRead;
}

/** Reports which messages the viewer has seen: those at hand, in a tab that is looked at, with the end in view. */
export class Receipts {
  #timer = null;
  #isSending = false;

  /** `isInView()`: whether the end of the open conversation can be seen. */
  constructor({ store, isInView }) {
    Object.assign(this, { store, isInView });
  }

  /** Something may have been seen. */
  report() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#send();
    }, SEEN_AFTER_MS);
  }

  async #send() {
    const { thread, viewer, inbox } = this.store.state;
    if (!thread?.messages.length || !viewer || this.#isSending || document.hidden || !this.isInView()) return;
    const { id } = thread.conversation;
    const known = Math.max(thread.seen[viewer.id] ?? 0, inbox.conversations.find((each) => each.id === id)?.seen_seq ?? 0);
    if (!thread.messages.some(({ seq, author }) => seq > known && author.id !== viewer.id)) return;
    this.#isSending = true;
    try {
      const answer = await call("PUT", `/conversations/${id}/seen`, { seq: thread.messages.at(-1).seq });
      this.store.dispatch("local_seen", { id, ...answer });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next message, or look, reports again.
      return;
    } finally {
      this.#isSending = false;
    }
    this.report();
  }
}
