// The sound of the picture: browsers let it begin only when somebody asks for it. What they chose is remembered.

import { translate } from "../core/words.js";
import { byId, reducedMotion } from "../parts/dom.js";
import { begin } from "./first-picture.js";
import { prefer, preferVolume, volumeWanted, wantsSound } from "./preferences.js";

const FADE_MS = 600;
const STEP = 0.05;

export class Sound {
  #root = byId("player");
  #video = byId("picture");
  #isWanted = wantsSound();
  #isFading = false;

  constructor() {
    const video = this.#video;
    video.volume = volumeWanted();
    for (const event of ["volumechange", "loadedmetadata", "playing", "emptied"]) video.addEventListener(event, () => this.show());
    byId("mute").addEventListener("click", () => this.toggle());
    byId("sound-on").addEventListener("click", () => {
      this.turn(true);
      byId("mute").focus({ preventScroll: true });
    });
    byId("volume").addEventListener("input", (event) => this.#setVolume(Number(event.target.value)));
    this.show();
  }

  get isOff() {
    return this.#video.muted || this.#video.volume === 0;
  }

  /** Play, with sound where it is wanted and the browser allows it. Rejects where it does not even play without. */
  play() {
    return begin(this.#video, this.#isWanted);
  }

  toggle() {
    this.turn(this.isOff);
  }

  turn(on) {
    this.#isWanted = on;
    prefer("sound", on ? "on" : "off");
    this.#video.muted = !on;
    if (!on) return;
    this.#fadeIn();
    if (this.#video.paused) void this.#video.play().catch(() => {});
  }

  louder(steps) {
    const volume = this.#isFading ? volumeWanted() : this.#video.volume;
    this.#setVolume((this.isOff ? 0 : volume) + steps * STEP);
  }

  #setVolume(volume) {
    const video = this.#video;
    this.#isFading = false;
    video.volume = Math.min(1, Math.max(0, volume));
    video.muted = video.volume === 0;
    this.#isWanted = !video.muted;
    preferVolume(video.volume);
    prefer("sound", this.#isWanted ? "on" : "off");
  }

  /** Sound that comes suddenly frightens. A frame may be older than the press: even then the sound is on. */
  #fadeIn() {
    const [video, from, to] = [this.#video, performance.now(), volumeWanted()];
    this.#isFading = !reducedMotion.matches;
    if (!this.#isFading) {
      video.volume = to;
      return;
    }
    const step = (now) => {
      if (!this.#isFading) return;
      const share = Math.min(1, Math.max(STEP, (now - from) / FADE_MS));
      video.volume = to * share;
      if (share < 1) requestAnimationFrame(step);
      else this.#isFading = false;
    };
    video.volume = to * STEP;
    requestAnimationFrame(step);
  }

  /** Draw how it is. */
  show() {
    const [video, isOff] = [this.#video, this.isOff];
    this.#root.classList.toggle("muted", isOff);
    byId("mute").setAttribute("aria-label", translate(isOff ? "unmute" : "mute"));
    if (!this.#isFading) byId("volume").value = video.muted ? 0 : video.volume;
    byId("sound-on").hidden = !isOff || video.readyState < 2;
  }
}
