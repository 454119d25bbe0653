// Lists: rows whose items stay the same elements, and a list that grows at its end, read by scrolling up: it stays at the
// newest unless one reads further up, what is read never moves, older ones come as one gets near the start.

import { PendingState } from "../core/pending.js";
import { translate } from "../core/words.js";

const NEAR_END_PX = 48;
const NEAR_EDGE_PX = 240;

const keyOfPending = (clientId) => `pending:${clientId}`;

/** The key of the row of a comment or message, until it has an id of what is pending. */
export const keyOf = ({ id, client_id: clientId }) => id ?? keyOfPending(clientId);

/** The rows of a list, one item each. An item stays the same element for as long as its row is there. */
export class Rows {
  #items = new Map();
  #shown = new WeakMap();

  /** `create(row)`: returns an item; `fill(item, row)`; `instead(item)`: what gets the focus of an item that goes. */
  constructor(list, { create, fill, instead }) {
    Object.assign(this, { list, create, fill, instead });
  }

  get size() {
    return this.#items.size;
  }

  /** [key, item] of each row. */
  get entries() {
    return this.#items.entries();
  }

  item(key) {
    return this.#items.get(key);
  }

  /** The row that an item shows. */
  row(item) {
    return this.#shown.get(item);
  }

  /** The pending text that an item shows. */
  pendingOf(item, pending) {
    return pending.find(({ clientId }) => this.item(keyOfPending(clientId)) === item);
  }

  clear() {
    this.#items.clear();
    this.list.replaceChildren();
  }

  /** Draw the rows in their order, each with its `key`. `clientId`: what was pending and is acknowledged keeps its item. */
  draw(rows) {
    const items = rows.map((row) => this.#take(row));
    // First: what follows an item that goes would be moved, one by one.
    this.#dropOthers(new Set(rows.map(({ key }) => key)));
    let place = this.list.firstElementChild;
    rows.forEach((row, at) => {
      this.#shown.set(items[at], row);
      this.fill(items[at], row);
      place = items[at] === place ? place.nextElementSibling : this.#put(items[at], place);
    });
  }

  #take(row) {
    const before = row.clientId && keyOfPending(row.clientId);
    let item = this.item(row.key);
    if (!item && before) {
      item = this.item(before);
      this.#items.delete(before);
    }
    item ??= this.create(row);
    this.#items.set(row.key, item);
    return item;
  }

  /** Put an item where `place` is. Returns what comes after it. */
  #put(item, place) {
    if (!item.contains(document.activeElement)) {
      this.list.insertBefore(item, place);
      return place;
    }
    // Moving it would take the focus from it: the others move.
    while (place !== item) {
      const next = place.nextElementSibling;
      this.list.append(place);
      place = next;
    }
    return item.nextElementSibling;
  }

  #dropOthers(keys) {
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue;
      if (item.contains(document.activeElement)) this.instead(item).focus();
      item.remove();
      this.#items.delete(key);
    }
  }
}

/** Show on an item whether its text is pending, why it failed, and what can be done. */
export function paintPending(item, { state = "", reason = "" }) {
  for (const name of Object.values(PendingState)) item.classList.toggle(name, state === name);
  const line = item.querySelector(".comment-state");
  const { WAITING, FAILED } = PendingState;
  line.hidden = state !== WAITING && state !== FAILED;
  line.firstElementChild.textContent = state === WAITING ? translate("waits") : state === FAILED ? translate("not_sent", { reason }) : "";
}

/**
 * The place in a list that grows at its end. A style sheet may have the scroller run backwards until then, so that the
 * newest end is where the page starts; `forward` turns it: what is added below moves nothing then.
 */
export class Scroller {
  #unseen = 0;
  #hasOlder = false;
  #isLoading = false;
  // As of the last scroll: a change of size since is no reason to leave the end.
  #isNearEnd = true;
  // What the last change has left undone, because a browser rounds scroll positions: else it adds up.
  #rest = 0;

  /**
   * `pill`: brings one back to the end, `unseenText(n)`: its text; `loader`: shown while `loadOlder()` runs, which
   * resolves to whether there may be more; `reachedEnd()`. `newer`: what the list leaves out at its end, if it does:
   * `isAll()`, `show()` some, `showAll()`.
   */
  constructor({ scroller, list, pill, loader, unseenText, loadOlder, newer = null, reachedEnd = () => {} }) {
    Object.assign(this, { scroller, list, pill, loader, unseenText, loadOlder, newer, reachedEnd });
    scroller.classList.add("forward");
    pill.addEventListener("click", () => {
      this.toEnd();
      scroller.focus({ preventScroll: true });
    });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const sizes = new ResizeObserver(() => { if (this.#isNearEnd) this.#stick(); });
    for (const element of [scroller, list]) sizes.observe(element);
    this.#stick();
  }

  /** Whether the end of the list as it is drawn is in view. */
  get isNearEnd() {
    return this.#isNearEnd;
  }

  get isAtEnd() {
    return this.#isNearEnd && (this.newer?.isAll() ?? true);
  }

  toEnd() {
    this.newer?.showAll();
    this.#isNearEnd = true;
    this.#stick();
    this.seen();
  }

  /** Nothing new is unseen. */
  seen() {
    if (this.#unseen) this.#setUnseen(0);
  }

  /** Change the list without moving what is being read. */
  keepingPlace(change) {
    if (this.isAtEnd) {
      change();
      this.#stick();
      return;
    }
    const top = this.scroller.getBoundingClientRect().top;
    const anchor = [...this.list.children].find((item) => item.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (!anchor?.isConnected) return;
    const moved = () => anchor.getBoundingClientRect().top - before + this.#rest;
    this.scroller.scrollTop += moved();
    const left = moved();
    this.#rest = Math.abs(left) < 1 ? left : 0;
  }

  /** One more has come at the end. */
  came() {
    if (!this.isAtEnd) this.#setUnseen(this.#unseen + 1);
  }

  /** Set whether there may be older ones than the list holds. */
  begin(hasOlder) {
    this.#hasOlder = hasOlder;
  }

  // At once: a smooth scroll would end where the next event finds it.
  #stick() {
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: "instant" });
  }

  #setUnseen(number) {
    this.#unseen = number;
    this.pill.hidden = number === 0;
    if (number) this.pill.lastElementChild.textContent = this.unseenText(number);
  }

  #scrolled() {
    const { scrollHeight, clientHeight, scrollTop } = this.scroller;
    const left = scrollHeight - clientHeight - scrollTop;
    this.#isNearEnd = left < NEAR_END_PX;
    if (left < NEAR_EDGE_PX && !(this.newer?.isAll() ?? true)) this.newer.show();
    if (this.isAtEnd) {
      this.seen();
      this.reachedEnd();
    }
    if (scrollTop < NEAR_EDGE_PX) void this.#loadMore();
  }

  async #loadMore() {
    if (!this.#hasOlder || this.#isLoading) return;
    this.#isLoading = true;
    this.loader.hidden = false;
    try {
      this.#hasOlder = await this.loadOlder();
    } finally {
      this.#isLoading = false;
      this.loader.hidden = true;
    }
  }
}
