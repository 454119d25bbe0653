// What viewers see, in the studio: the same source as on the watch page, muted until one asks for the sound. Before a
// broadcast is live its picture is shown, too. What the picture is doing stands over it in words.

import { translate } from "../core/words.js";
import { byId, note } from "../parts/dom.js";
import { Source } from "../watch/source.js";

const AGAIN_MS = 2_000;

/** What of a video is played, and what is said over it: `{url, isHeld, words}`. */
export function previewOf({ status, playlist, picture }) {
  const state = picture?.state ?? "";
  if (status === "ended") return { url: "", isHeld: false, words: "preview.ended" };
  if (state === "stalled") return { url: playlist, isHeld: true, words: "picture.stalled" };
  if (state === "gone") return { url: "", isHeld: false, words: "picture.gone" };
  if (state === "waiting") return { url: "", isHeld: false, words: "picture.waiting" };
  if (!playlist || (status === "upcoming" && state === "")) return { url: "", isHeld: false, words: "preview.none" };
  return { url: playlist, isHeld: false, words: "" };
}

export class Preview {
  #video = byId("preview");
  #root = byId("desk-picture");
  #source = null;
  #url = "";
  #isHeld = false;
  #againTimer;

  constructor() {
    byId("desk-sound").addEventListener("click", () => {
      this.#video.muted = !this.#video.muted;
      byId("desk-sound").setAttribute("aria-pressed", String(!this.#video.muted));
    });
    document.addEventListener("visibilitychange", () => this.#turn());
  }

  /** Show the picture of a video. */
  show(video) {
    const { url, isHeld, words } = previewOf(video);
    note(byId("desk-words"), words ? translate(words) : "");
    this.#root.classList.toggle("held", isHeld);
    if (url === this.#url && isHeld === this.#isHeld) return;
    const wasHeld = this.#isHeld;
    [this.#isHeld, this.#root.dataset.playing] = [isHeld, String(Boolean(url) && !isHeld)];
    if (url === this.#url && isHeld) return this.#source?.hold();
    if (url === this.#url && wasHeld && this.#source) return this.#source.resume();
    this.#url = url;
    this.#turn();
  }

  /** Load the picture while somebody may look at it. */
  #turn() {
    clearTimeout(this.#againTimer);
    this.#source?.close();
    this.#source = null;
    if (this.#url && !this.#isHeld && !document.hidden) void this.#open();
  }

  async #open() {
    const source = new Source({ video: this.#video, saves: false });
    Object.assign(source, { lost: () => this.#lost(source), changed() {} });
    this.#source = source;
    const isPlayable = await source.open(this.#url, 0);
    if (source !== this.#source) return;
    if (!isPlayable) note(byId("desk-words"), translate("preview.unsupported"));
    else this.#video.play().catch(() => { /* It is muted; where even that is refused, the poster stays. */ });
  }

  #lost(source) {
    if (source !== this.#source) return;
    source.close();
    this.#source = null;
    this.#againTimer = setTimeout(() => this.#turn(), AGAIN_MS);
  }
}
