// Lists: rows whose items stay the same elements, and a list that grows at its end, read by scrolling up: it stays at the
// newest unless one reads further up, what is read never moves, older ones come as one gets near the start.

import { PendingState } from "../core/pending.js";
import { translate } from "../core/words.js";

const NEAR_END_PX = 48;
const NEAR_START_PX = 240;

const keyOfPending = (clientId) => `pending:${clientId}`;

/** The key of the row of a comment or message, until it has an id of what is pending. */
export const keyOf = ({ id, client_id: clientId }) => id ?? keyOfPending(clientId);

/** The rows of a list, one item each. An item stays the same element for as long as its row is there. */
export class Rows {
  #items = new Map();

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
    let place = this.list.firstElementChild;
    for (const row of rows) {
      const item = this.#take(row);
      this.fill(item, row);
      place = item === place ? place.nextElementSibling : this.#put(item, place);
    }
    this.#dropOthers(new Set(rows.map(({ key }) => key)));
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

/** The place in a list that grows at its end. The scroller runs backwards: 0 is the newest end. */
export class Scroller {
  #unseen = 0;
  #hasOlder = false;
  #isLoading = false;
  // What the last change has left undone, because a browser rounds scroll positions: else it adds up.
  #rest = 0;

  /**
   * `pill`: brings one back to the end, `unseenText(n)`: its text; `loader`: shown while `loadOlder()` runs, which
   * resolves to whether there may be more; `reachedEnd()`.
   */
  constructor({ scroller, list, pill, loader, unseenText, loadOlder, reachedEnd = () => {} }) {
    Object.assign(this, { scroller, list, pill, loader, unseenText, loadOlder, reachedEnd });
    pill.addEventListener("click", () => {
      this.toEnd();
      scroller.focus({ preventScroll: true });
    });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  get isAtEnd() {
    return this.scroller.scrollTop > -NEAR_END_PX;
  }

  toEnd() {
    // At once: a smooth scroll would end where the next event finds it, for keeping the place sets the scroll position.
    this.scroller.scrollTo({ top: 0, behavior: "instant" });
    this.#setUnseen(0);
  }

  /** Change the list without moving what is being read. */
  keepingPlace(change) {
    if (this.isAtEnd) return change();
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

  #setUnseen(number) {
    this.#unseen = number;
    this.pill.hidden = number === 0;
    if (number) this.pill.lastElementChild.textContent = this.unseenText(number);
  }

  #scrolled() {
    if (this.isAtEnd) {
      if (this.#unseen) this.#setUnseen(0);
      this.reachedEnd();
    }
    const { scrollHeight, clientHeight, scrollTop } = this.scroller;
    if (scrollHeight - clientHeight + scrollTop < NEAR_START_PX) void this.#loadMore();
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
