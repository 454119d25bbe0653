// Where in the picture one is: a bar over what can be played, how far behind live, and back to the live end.

import { plural, translate } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { duration } from "../parts/format.js";

/** A live picture that can be taken back by less has no bar. */
const WINDOW_MIN_SECONDS = 30;
const AT_LIVE_SECONDS = 3;
const KEYS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5 };

export class SeekBar {
  #video = byId("picture");
  #bar = byId("seek");
  #toLive = byId("to-live");
  #isDragged = false;

  /** `source()`: what plays, null for nothing; `isLive()`; `moved(isAtLive)`: the viewer went to another place. */
  constructor({ source, isLive, moved }) {
    Object.assign(this, { source, isLive, moved });
    this.#video.addEventListener("timeupdate", () => this.draw());
    this.#bar.addEventListener("input", () => {
      this.#isDragged = true;
      this.#draw(Number(this.#bar.value));
    });
    this.#bar.addEventListener("change", () => {
      this.#isDragged = false;
      this.#goTo(this.#window.start + Number(this.#bar.value));
    });
    // The bar's own steps are those of a mouse.
    this.#bar.addEventListener("keydown", (event) => {
      const { key, ctrlKey, metaKey, altKey } = event;
      if (!KEYS[key] || ctrlKey || metaKey || altKey) return;
      event.preventDefault();
      this.moveBy(KEYS[key]);
    });
    this.#toLive.addEventListener("click", () => this.toLive());
  }

  /** Seconds behind where one watches live. */
  get behind() {
    return this.isLive() ? (this.source()?.behind ?? 0) : 0;
  }

  get isAtLive() {
    return this.behind < AT_LIVE_SECONDS;
  }

  moveBy(seconds) {
    if (this.source()) this.#goTo(this.#video.currentTime + seconds);
  }

  toLive() {
    if (!this.source()) return;
    this.source().toEdge();
    this.moved(true);
  }

  draw() {
    if (!this.source()) return;
    const { start, end } = this.#window;
    if (!this.#isDragged) this.#draw(this.isLive() && this.isAtLive ? end - start : this.#video.currentTime - start);
  }

  get #window() {
    if (this.isLive()) return this.source()?.window ?? { start: 0, end: 0 };
    return { start: 0, end: Number.isFinite(this.#video.duration) ? this.#video.duration : 0 };
  }

  #goTo(seconds) {
    const { start, end } = this.#window;
    if (this.isLive() && seconds >= end - AT_LIVE_SECONDS) {
      this.toLive();
      return;
    }
    this.#video.currentTime = Math.min(end, Math.max(start, seconds));
    this.moved(false);
    this.draw();
  }

  #draw(at) {
    const { start, end } = this.#window;
    const [length, isLive] = [Math.max(0, end - start), this.isLive()];
    this.#bar.hidden = isLive && length < WINDOW_MIN_SECONDS;
    this.#bar.max = length;
    if (!this.#isDragged) this.#bar.value = at;
    this.#bar.style.setProperty("--at", length ? Math.min(1, Math.max(0, at / length)) : 0);
    const behind = this.#isDragged ? Math.max(0, length - at) : this.behind;
    this.#bar.setAttribute("aria-valuetext", isLive ? behindText(behind) : positionText(at, length));
    byId("position").hidden = isLive;
    byId("position").textContent = `${duration(at)} / ${duration(length)}`;
    this.#drawBehind(behind);
  }

  #drawBehind(behind) {
    const isAtLive = behind < AT_LIVE_SECONDS;
    this.#toLive.hidden = !this.isLive();
    this.#toLive.classList.toggle("at-live", isAtLive && !this.#video.paused);
    byId("behind").textContent = isAtLive ? "" : `−${duration(behind)}`;
    this.#toLive.setAttribute("aria-label", isAtLive ? translate("at_live") : translate("to_live", { behind: behindText(behind) }));
  }
}

const behindText = (seconds) => (seconds < AT_LIVE_SECONDS ? translate("at_live") : plural("behind", Math.round(seconds)));
const positionText = (at, length) => translate("position", { at: duration(at), length: duration(length) });
