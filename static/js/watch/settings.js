// The player's menu: quality, data saver, how late the picture is, keyboard shortcuts.

import { translate } from "../core/words.js";
import { byId, note, placeAt } from "../parts/dom.js";
import { serverNow } from "../parts/page.js";
import { prefer, preference, savesData } from "./preferences.js";

const AUTO = -1;
const GAP_PX = 8;
/** The page knows the server's clock to a second or two only: a device's own is better, unless it is plainly wrong. */
const CLOCK_WRONG_MS = 5_000;

export class Settings {
  #menu = byId("player-menu");
  #button = byId("settings");
  #source = null;

  /** `reopen()`: load the picture anew. */
  constructor({ reopen }) {
    this.reopen = reopen;
    this.#menu.addEventListener("toggle", (event) => {
      if (event.newState !== "open") return;
      this.#drawQualities();
      this.#place();
    });
    byId("quality").addEventListener("change", (event) => this.#choose(Number(event.target.value)));
    this.#wireSwitch("saver", () => this.reopen());
    this.#wireSwitch("delay", () => this.drawDelay());
    this.#wireSwitch("step", () => {});
  }

  /** Another source plays; null: nothing does. */
  follow(source) {
    this.#source = source;
    this.drawDelay();
  }

  /** Its qualities are known now. */
  qualitiesCame() {
    const wanted = Number(preference("quality"));
    const found = this.#source?.qualities.find(({ height }) => height === wanted);
    if (found && !savesData()) this.#source.choose(found.at);
    this.#drawQualities();
  }

  drawDelay() {
    const shownAtMs = preference("delay") === "on" ? (this.#source?.shownAtMs ?? null) : null;
    const nowMs = Math.abs(serverNow() - Date.now()) < CLOCK_WRONG_MS ? Date.now() : serverNow();
    const seconds = Math.max(0, nowMs - shownAtMs) / 1_000;
    note(byId("delay-text"), shownAtMs === null ? "" : translate("delay", { seconds: seconds.toFixed(1) }));
  }

  /** Above its button, where the picture has room for it. */
  #place() {
    placeAt(this.#button, this.#menu);
    const { top, right } = this.#button.getBoundingClientRect();
    const above = top - this.#menu.offsetHeight - GAP_PX;
    if (above < byId("player").getBoundingClientRect().top) return;
    this.#menu.style.top = `${above}px`;
    this.#menu.style.left = `${Math.max(GAP_PX, right - this.#menu.offsetWidth)}px`;
  }

  #choose(at) {
    const chosen = this.#source?.qualities.find((quality) => quality.at === at);
    prefer("quality", chosen?.height ?? AUTO);
    this.#source?.choose(at);
  }

  #drawQualities() {
    const qualities = this.#source?.qualities ?? [];
    byId("quality").hidden = qualities.length < 2 || savesData();
    const chosen = Number(preference("quality"));
    const options = [{ at: AUTO, height: 0 }, ...qualities];
    const at = options.find(({ height }) => height > 0 && height === chosen)?.at ?? AUTO;
    byId("qualities").replaceChildren(...options.map((quality) => choice(quality, quality.at === at)));
  }

  #wireSwitch(key, changed) {
    const button = byId(`${key}-switch`);
    const isOn = () => (key === "saver" ? savesData() : preference(key) === "on");
    button.setAttribute("aria-checked", String(isOn()));
    button.addEventListener("click", () => {
      prefer(key, isOn() ? "off" : "on");
      button.setAttribute("aria-checked", String(isOn()));
      changed();
    });
  }
}

function choice({ at, height, bitrate }, isChosen) {
  const item = byId("quality-template").content.firstElementChild.cloneNode(true);
  const input = item.querySelector("input");
  [input.value, input.checked] = [at, isChosen];
  const named = height ? `${height}p` : translate("kilobits", { n: Math.round(bitrate / 1_000) });
  item.querySelector("span").textContent = at === AUTO ? translate("automatic") : named;
  return item;
}
