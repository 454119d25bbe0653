// The rows of a list, one item each. An item stays the same element for as long as its row is there.

import { PendingState } from "../core/pending.js";
import { translate } from "../core/words.js";

const keyOfPending = (clientId) => `pending:${clientId}`;

/** The key of the row of a comment or message, until it has an id of what is pending. */
export const keyOf = ({ id, client_id: clientId }) => id ?? keyOfPending(clientId);

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
