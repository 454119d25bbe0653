// Captions, where the picture has some: a recording those that its broadcaster has sent.

import { byId } from "../parts/dom.js";
import { prefer, preference } from "./preferences.js";

const languageNames = new Intl.DisplayNames(document.documentElement.lang || "en", { type: "language" });

export class Captions {
  #video = byId("picture");
  #tracks = this.#video.textTracks;
  #offered = "";
  #button = byId("captions");

  constructor() {
    this.#button.addEventListener("click", () => this.toggle());
    for (const event of ["addtrack", "removetrack", "change"]) this.#tracks.addEventListener(event, () => this.#draw());
    this.#tracks.addEventListener("addtrack", () => { if (preference("captions") === "on") this.#show(true); });
    this.#draw();
  }

  /** Offer captions in these languages, and no others; `base`: where they are. */
  offer(languages, base) {
    if (languages.join() === this.#offered) return;
    this.#offered = languages.join();
    this.#video.replaceChildren(...languages.map((language) => {
      const track = document.createElement("track");
      Object.assign(track, { kind: "captions", srclang: language, label: languageNames.of(language), src: `${base}/${language}.vtt` });
      return track;
    }));
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

  /** The one in a language that the viewer reads, else the first. */
  #show(isOn) {
    const found = this.#found;
    const isOf = (wanted) => ({ language }) => language && wanted.toLowerCase().startsWith(language);
    const chosen = navigator.languages.map((wanted) => found.find(isOf(wanted))).find(Boolean) ?? found[0];
    for (const track of found) track.mode = isOn && track === chosen ? "showing" : "disabled";
    this.#draw();
  }

  #draw() {
    this.#button.hidden = this.#found.length === 0;
    this.#button.setAttribute("aria-pressed", String(this.#isOn));
  }
}
