// Who watches with you: behind the figure of viewers. Names while the room is small, their number when it is not.

import { ApiError, call } from "../core/api.js";
import { byId, note, paintFace, placeAt } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { plural, translate } from "../core/words.js";

const AGAIN_MS = 2_000;

export class Watchers {
  #button = byId("watching");
  #popover = byId("watchers");
  #list = byId("watcher-list");
  #askedAt = -Infinity;
  #timer = null;

  /** `message(person)`: open a conversation. */
  constructor({ videoId, message }) {
    Object.assign(this, { videoId, message });
    this.#popover.addEventListener("toggle", (event) => {
      if (event.newState !== "open") return;
      placeAt(this.#button, this.#popover);
      this.#askSoon();
    });
  }

  render({ viewers, blocked }, before) {
    if (viewers === before?.viewers && blocked === before?.blocked) return;
    this.#button.title = plural("watching", viewers.count);
    byId("watchers-now").textContent = compact(viewers.count);
    byId("watchers-peak").textContent = compact(viewers.peak);
    if (this.#isOpen) this.#askSoon();
  }

  get #isOpen() {
    return this.#popover.matches(":popover-open");
  }

  #askSoon() {
    const ms = Math.max(0, this.#askedAt + AGAIN_MS - performance.now());
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#isOpen) void this.#ask();
    }, ms);
  }

  async #ask() {
    this.#askedAt = performance.now();
    try {
      const answer = await call("GET", `/videos/${this.videoId}/viewers`);
      const focused = this.#list.querySelector(":focus")?.closest("li").dataset.id;
      this.#show(answer);
      placeAt(this.#button, this.#popover);
      byId("watchers-failed").hidden = true;
      if (focused) (this.#list.querySelector(`[data-id="${focused}"] button`) ?? this.#popover).focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(byId("watchers-failed"), error.advice);
    }
  }

  #show({ count: now, peak, unique, people, known }) {
    for (const [id, value] of Object.entries({ now, peak, unique })) byId(`watchers-${id}`).textContent = compact(value);
    const names = people ?? [];
    this.#list.replaceChildren(...names.map((person) => this.#item(person)));
    this.#list.hidden = names.length === 0;
    note(byId("watchers-known"), people === null ? plural("know", known, { shown: compact(known) }) : names.length ? "" : translate("know_nobody"));
  }

  #item(person) {
    const item = byId("watcher-template").content.firstElementChild.cloneNode(true);
    paintFace(item.querySelector(".face"), person);
    item.querySelector("bdi").textContent = person.name;
    for (const badge of item.querySelectorAll(".role")) badge.hidden = badge.dataset.role !== person.role;
    const write = item.querySelector("button");
    write.setAttribute("aria-label", translate("write_to", { name: person.name }));
    write.addEventListener("click", () => {
      this.#popover.hidePopover();
      this.message(person);
    });
    item.dataset.id = person.id;
    return item;
  }
}
