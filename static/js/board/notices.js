// What a broadcaster says to all, and the goals: how many likes or viewers there should be.

import { recall, remember } from "../core/storage.js";
import { translate } from "../core/words.js";
import { byId, copyOf } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { linked } from "../parts/links.js";

const DISMISSED = "announcement-dismissed";
const TICK_MS = 500;

export class Announcement {
  #card = copyOf("announcement-template");
  #shown = "";

  constructor({ place }) {
    place.append(this.#card);
    this.#card.querySelector("button").addEventListener("click", () => {
      remember(DISMISSED, this.#shown);
      this.#card.hidden = true;
    });
  }

  render({ announcement }, { video, over }) {
    this.#card.hidden = over || video.status === "ended" || !announcement || recall(DISMISSED) === announcement.id;
    if (this.#card.hidden || announcement.id === this.#shown) return;
    this.#shown = announcement.id;
    this.#card.querySelector(".notice-text").replaceChildren(...linked(announcement.text));
    byId("announcements").textContent = announcement.text;
  }
}

/** In a replay the goals come when they were set, with the numbers of the moment that is shown. */
export class Goals {
  #card = copyOf("goals-template");
  #shown = "";
  #goals = [];
  #page = null;

  constructor({ place }) {
    place.append(this.#card);
    setInterval(() => { if (this.#page?.recording) this.#drawAll(); }, TICK_MS);
  }

  render({ goals }, page) {
    [this.#goals, this.#page] = [goals, page];
    this.#drawAll();
  }

  #drawAll() {
    const { video, likes, viewers, over, recording } = this.#page;
    const ms = recording ? recording.momentAt(byId("picture").currentTime) ?? 0 : Infinity;
    const goals = this.#goals.filter(({ set_at_ms: from }) => from <= ms);
    this.#card.hidden = over || !goals.length || (video.status === "ended" && !recording);
    if (this.#card.hidden) return;
    const key = JSON.stringify(goals.map(({ kind, title }) => [kind, title]));
    if (key !== this.#shown) this.#begin(goals);
    this.#shown = key;
    for (const [at, { kind, target, reached_at_ms: reached }] of goals.entries()) {
      // A goal stays reached when some have left.
      const was = (reached !== null && reached <= ms) || (!recording && kind === "viewers" && viewers.peak >= target);
      this.#draw(this.#card.children[at], kind, kind === "likes" ? likes.total : viewers.count, target, was);
    }
  }

  #begin(goals) {
    this.#card.replaceChildren(...goals.map(({ kind, title }) => {
      const item = copyOf("goal-template");
      item.querySelector(".goal-title").textContent = title;
      item.dataset.kind = kind;
      return item;
    }));
  }

  #draw(item, kind, now, target, was) {
    const isReached = was || now >= target;
    const words = translate(`goal_${kind}`, { n: compact(now), target: compact(target) });
    const text = isReached ? `${words} · ${translate("goal_reached")}` : words;
    const count = item.querySelector(".goal-count");
    if (count.textContent !== text) count.textContent = text;
    item.classList.toggle("is-reached", isReached);
    item.querySelector("progress").value = isReached ? 1 : now / target;
  }
}
