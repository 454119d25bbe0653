// Who watches with you: behind the figure of viewers. Names while the room is small, their number when it is not.

import { ApiError, call } from "../core/api.js";
import { byId, note, paintFace, placeAt } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { count, say } from "../core/words.js";

const AGAIN_MS = 2_000;

/** `message(person)`: open a conversation. Returns `counted(viewers)`: the count has changed. */
export function setUpWatchers({ videoId, message }) {
  const [button, popover, list] = ["watching", "watchers", "watcher-list"].map(byId);
  let askedAt = -Infinity;
  let timer = null;

  const isOpen = () => popover.matches(":popover-open");

  function show({ count: now, peak, unique, people, known }) {
    for (const [id, value] of Object.entries({ now, peak, unique })) byId(`watchers-${id}`).textContent = compact(value);
    const names = people ?? [];
    list.replaceChildren(...names.map(item));
    list.hidden = names.length === 0;
    note(byId("watchers-known"), people === null ? count("know", known, { shown: compact(known) }) : names.length ? "" : say("know_nobody"));
  }

  function item(person) {
    const made = byId("watcher-template").content.firstElementChild.cloneNode(true);
    paintFace(made.querySelector(".face"), person.name);
    made.querySelector("bdi").textContent = person.name;
    for (const badge of made.querySelectorAll(".role")) badge.hidden = badge.dataset.role !== person.role;
    const write = made.querySelector("button");
    write.setAttribute("aria-label", say("write_to", { name: person.name }));
    write.addEventListener("click", () => {
      popover.hidePopover();
      message(person);
    });
    made.dataset.id = person.id;
    return made;
  }

  async function ask() {
    timer = null;
    askedAt = performance.now();
    try {
      const answer = await call("GET", `/videos/${videoId}/viewers`);
      const focused = list.querySelector(":focus")?.closest("li").dataset.id;
      show(answer);
      placeAt(button, popover);
      byId("watchers-failed").hidden = true;
      if (focused) (list.querySelector(`[data-id="${focused}"] button`) ?? popover).focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(byId("watchers-failed"), error.advice);
    }
  }
  function askSoon() {
    timer ??= setTimeout(() => { if (isOpen()) void ask(); else timer = null; }, Math.max(0, askedAt + AGAIN_MS - performance.now()));
  }

  popover.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    placeAt(button, popover);
    askSoon();
  });

  return {
    counted(viewers) {
      button.title = count("watching", viewers.count);
      byId("watchers-now").textContent = compact(viewers.count);
      byId("watchers-peak").textContent = compact(viewers.peak);
      if (isOpen()) askSoon();
    },
  };
}
