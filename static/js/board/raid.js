// The broadcaster takes all who watch to another broadcast: in some seconds one goes there, or stays. There, one reads
// who has come.

import { plural, translate } from "../core/words.js";
import { byId, copyOf, isolated } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { serverNow } from "../parts/page.js";

/** Whoever sees it so much later has not been there when the others left. */
const LATE_MS = 5_000;
/** How long one reads who has come, and where the others went. */
const RAIDED_MS = 60_000;
const WENT_MS = 600_000;

export class RaidCard {
  #card = copyOf("raid-template");
  #banner = copyOf("raided-template");
  #board = null;
  #page = null;
  #stays = false;
  #isGoing = false;

  constructor({ place }) {
    place.append(this.#card, this.#banner);
    this.#card.querySelector("button").addEventListener("click", () => {
      this.#stays = true;
      this.#draw();
    });
    setInterval(() => this.#draw(), 500);
  }

  render(board, page) {
    [this.#board, this.#page] = [board, page];
    if (!board.raid) this.#stays = false;
    this.#draw();
  }

  #draw() {
    if (!this.#board) return;
    this.#drawRaided(this.#board.raided);
    const { raid } = this.#board;
    const leftMs = raid ? raid.leaves_at_ms - serverNow() : 0;
    this.#card.hidden = !raid || this.#page.over || leftMs < -WENT_MS;
    if (this.#card.hidden) return;
    const path = `/videos/${raid.to.id}/`;
    const name = isolated(raid.to.name);
    const isSoon = leftMs > 0 && !this.#stays && !this.#moderates;
    this.#write(".raid-head", isSoon ? translate("raid_soon", { n: Math.ceil(leftMs / 1_000), name }) : translate("raid_later", { name }));
    this.#write(".raid-title bdi", raid.to.title);
    this.#card.querySelector("a").href = path;
    this.#card.querySelector("button").hidden = !isSoon;
    if (leftMs <= 0 && leftMs > -LATE_MS && this.#follows && !this.#isGoing) {
      this.#isGoing = true;
      location.assign(path);
    }
  }

  /** Those who moderate stay to the end. */
  get #moderates() {
    return this.#page.may.includes("delete");
  }

  /** Nobody is taken away while they write, or from a page that they do not look at. */
  get #follows() {
    return !this.#stays && !this.#moderates && !document.hidden && !byId("main").dataset.as && !byId("body").value.trim();
  }

  #drawRaided(raided) {
    this.#banner.hidden = !raided || serverNow() - raided.at_ms > RAIDED_MS;
    if (this.#banner.hidden) return;
    const text = plural("raided", raided.viewers, { shown: compact(raided.viewers), name: isolated(raided.name) });
    const line = this.#banner.querySelector(".notice-text");
    if (line.textContent !== text) line.textContent = text;
  }

  #write(where, text) {
    const element = this.#card.querySelector(where);
    if (element.textContent !== text) element.textContent = text;
  }
}
