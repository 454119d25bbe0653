// Captions, where the picture has some.

import { byId } from "../parts/dom.js";
import { prefer, preference } from "./preferences.js";

export class Captions {
  #tracks = byId("picture").textTracks;
  #button = byId("captions");

  constructor() {
    this.#button.addEventListener("click", () => this.toggle());
    for (const event of ["addtrack", "removetrack", "change"]) this.#tracks.addEventListener(event, () => this.#draw());
    this.#tracks.addEventListener("addtrack", () => { if (preference("captions") === "on") this.#show(true); });
    this.#draw();
  }

  toggle() {
    if (!this.#found.length) return;
    const isOn = !this.#isOn;
    prefer("captions", isOn ? "on" : "off");
    this.#show(isOn);
  }

  get #found() {
    return [...this.#tracks].filter(({ kind }) => kind === "captions" || kind === "subtitles");
  }

  get #isOn() {
    return this.#found.some(({ mode }) => mode === "showing");
  }

  /** The one of the page's language, else the first. */
  #show(isOn) {
    const found = this.#found;
    const chosen = found.find(({ language }) => language && document.documentElement.lang.startsWith(language)) ?? found[0];
    for (const track of found) track.mode = isOn && track === chosen ? "showing" : "disabled";
    this.#draw();
  }

  #draw() {
    this.#button.hidden = this.#found.length === 0;
    this.#button.setAttribute("aria-pressed", String(this.#isOn));
  }
}
