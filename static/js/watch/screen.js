// How much room the picture has: full screen together with the comments, the whole width of the page, a small window
// over others; and whether comments are shown beside it or over it.

import { translate } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { prefer, preference } from "./preferences.js";

export class Screen {
  #theatre = byId("main");
  #root = byId("player");
  #video = byId("picture");
  #toggle = byId("comments-toggle");

  constructor() {
    byId("full").addEventListener("click", () => this.full());
    byId("wide").addEventListener("click", () => this.wide());
    byId("small-window").addEventListener("click", () => this.smallWindow());
    byId("small-window").hidden = !document.pictureInPictureEnabled;
    document.addEventListener("fullscreenchange", () => this.#showFull());
    this.#toggle.addEventListener("click", () => this.#openComments(this.#theatre.dataset.comments !== "open"));
    this.#openComments(false);
    this.#showWide(preference("wide") === "on");
  }

  get #isFull() {
    return document.fullscreenElement === this.#theatre;
  }

  full() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (this.#theatre.requestFullscreen) void this.#enterFull();
    // iPhones know full screen for the picture alone.
    else this.#video.webkitEnterFullscreen?.();
  }

  async #enterFull() {
    try {
      await this.#theatre.requestFullscreen();
      await globalThis.screen.orientation.lock?.("landscape");
    } catch { /* A screen that cannot be turned, or a frame without the right. */ }
  }

  /** The picture takes the whole width, or gives the comments their column back. */
  wide() {
    const isWide = !("wide" in this.#theatre.dataset);
    prefer("wide", isWide ? "on" : "off");
    this.#showWide(isWide);
  }

  smallWindow() {
    if (document.pictureInPictureElement) void document.exitPictureInPicture();
    else if (this.#video.readyState > 0) void this.#video.requestPictureInPicture?.().catch(() => {});
  }

  #showFull() {
    this.#root.classList.toggle("full", this.#isFull);
    byId("full").setAttribute("aria-label", translate(this.#isFull ? "fullscreen_exit" : "fullscreen"));
    this.#openComments(this.#isFull && innerWidth > 900);
  }

  #showWide(isWide) {
    if (isWide) this.#theatre.dataset.wide = "";
    else delete this.#theatre.dataset.wide;
    byId("wide").setAttribute("aria-pressed", String(isWide));
    this.#openComments(false);
  }

  #openComments(open) {
    this.#theatre.dataset.comments = open ? "open" : "closed";
    this.#toggle.setAttribute("aria-expanded", String(open));
    this.#toggle.setAttribute("aria-label", translate(open ? "comments_hide" : "comments_show"));
  }
}
