// What a broadcaster says to all, and the goals: how many likes or viewers there should be.

import { recall, remember } from "../core/storage.js";
import { translate } from "../core/words.js";
import { byId, copyOf } from "../parts/dom.js";
import { compact } from "../parts/format.js";

const DISMISSED = "announcement-dismissed";

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
    this.#card.querySelector(".notice-text").textContent = announcement.text;
    byId("announcements").textContent = announcement.text;
  }
}

export class Goals {
  #card = copyOf("goals-template");
  #shown = null;

  constructor({ place }) {
    place.append(this.#card);
  }

  render({ goals }, { video, likes, viewers, over }) {
    this.#card.hidden = over || !goals.length || video.status === "ended";
    if (this.#card.hidden) return;
    if (goals !== this.#shown) this.#begin(goals);
    for (const [at, { kind, target }] of goals.entries()) {
      // A goal of viewers stays reached when some have left.
      this.#draw(this.#card.children[at], kind, kind === "likes" ? likes.total : viewers.count, target, kind === "viewers" && viewers.peak >= target);
    }
  }

  #begin(goals) {
    this.#shown = goals;
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
