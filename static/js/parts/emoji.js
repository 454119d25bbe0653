// Emoji to choose from, for every field where one writes. The composer loads it at the first press of its button; texts
// and styles come with it. What emoji there are, by name and in which languages, keeps emoji-picker-element's database in
// the browser (IndexedDB), with the skin tone and with what one takes often.

import Database from "../../vendor/emoji-picker-element-1.29.1/database.js";
import { byId, isComposing, note, placeAt } from "./dom.js";
import { pictureOf } from "./own-emoji.js";

const DATA = new URL("../../vendor/emoji-picker-element-data-1.8.0/", import.meta.url);
const LANGUAGES = ["en", "de", "es", "fr"];
const OFTEN_MAX = 32;
const SEARCH_FROM = 2;
const TONES = ["👋", "👋🏻", "👋🏼", "👋🏽", "👋🏾", "👋🏿"];
// Of each newer version one that shows colour. Source: emoji-picker-element, `versionsAndTestEmoji`.
const NEWEST = [[17, "🫪"], [16, "🫩"], [15.1, "🫨"], [14, "🫠"], [13.1, "🥲"]];
const OLDEST = 12.1;

let picker = null;

/** Return the picker of the page, loaded at the first call. */
export async function loadedPicker() {
  const language = document.documentElement.lang.slice(0, 2);
  if (!byId("emoji")) {
    const answer = await fetch(`/emoji/?in=${language}`);
    if (!answer.ok) throw new TypeError(`/emoji/: ${answer.status}`);
    const { head, body } = new DOMParser().parseFromString(await answer.text(), "text/html");
    const styles = head.querySelector("link");
    // It is placed by its size.
    const styled = new Promise((resolve) => { styles.onload = styles.onerror = resolve; });
    document.body.append(...head.childNodes, ...body.childNodes);
    await styled;
  }
  picker ??= new EmojiPicker(LANGUAGES.includes(language) ? language : "en");
  return picker;
}

class EmojiPicker {
  #part = byId("emoji");
  #grid = byId("emoji-grid");
  #find = byId("emoji-find");
  #toneButton = byId("emoji-tone");
  #tones = byId("emoji-tones");
  #tabs = [...byId("emoji").querySelectorAll("[role=tab]")];
  #database;
  #newest = newestShown();
  #tone = 0;
  #group = "";
  #drawing = 0;
  // Where the emoji go.
  #insert = () => {};
  #opener = null;
  // Those of the channel: the address of each by its code.
  #own = {};

  constructor(locale) {
    this.#database = new Database({ locale, dataSource: new URL(`${locale}.json`, DATA).href });
    this.#part.addEventListener("toggle", (event) => this.#toggled(event.newState === "open"));
    this.#find.addEventListener("input", () => void this.#draw());
    this.#part.addEventListener("keydown", (event) => this.#pressed(event));
    this.#grid.addEventListener("click", (event) => this.#take(event.target.closest("button")));
    for (const tab of this.#tabs) tab.addEventListener("click", () => { this.#find.value = ""; this.#turnTo(tab); });
    this.#wireTones();
  }

  /** Show it at a button, or hide it again. `insert(text)`; `own`: the emoji of the channel. */
  toggle(button, { insert, own }) {
    if (this.#part.matches(":popover-open")) return this.#part.hidePopover();
    [this.#opener, this.#insert, this.#own] = [button, insert, own];
    this.#tab("own").hidden = !Object.keys(own).length;
    this.#find.value = "";
    this.#part.showPopover();
    placeAt(button, this.#part);
    if (matchMedia("(hover: hover)").matches) this.#find.focus();
    else this.#part.focus();
    void this.#begin();
  }

  #toggled(isOpen) {
    this.#opener.setAttribute("aria-expanded", String(isOpen));
    // From a finger the keyboard would come with it.
    if (!isOpen && this.#part.contains(document.activeElement)) this.#opener.focus();
  }

  async #begin() {
    try {
      this.#setTone(await this.#database.getPreferredSkinTone());
      const often = await this.#database.getTopFavoriteEmoji(OFTEN_MAX);
      this.#tab("often").hidden = !often.length;
      const tab = this.#tab(this.#group);
      this.#turnTo(tab && !tab.hidden ? tab : this.#tabs.find(({ hidden }) => !hidden));
      note(byId("emoji-failed"), "");
    } catch {
      note(byId("emoji-failed"), this.#part.dataset.failed);
    }
  }

  #tab(group) {
    return this.#tabs.find(({ dataset }) => dataset.group === group);
  }

  #turnTo(chosen) {
    this.#group = chosen.dataset.group;
    for (const tab of this.#tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    this.#grid.setAttribute("aria-label", chosen.title);
    void this.#draw();
  }

  async #found() {
    const asked = this.#find.value.trim();
    if (asked.length >= SEARCH_FROM) return [...this.#ownFound(asked), ...await this.#database.getEmojiBySearchQuery(asked)];
    if (this.#group === "own") return this.#ownFound("");
    if (this.#group === "often") return this.#database.getTopFavoriteEmoji(OFTEN_MAX);
    return this.#database.getEmojiByGroup(Number(this.#group));
  }

  #ownFound(asked) {
    const sought = asked.toLowerCase().replaceAll(":", "");
    return Object.keys(this.#own).filter((code) => code.includes(sought)).map((own) => ({ own, annotation: `:${own}:` }));
  }

  async #draw() {
    const drawing = ++this.#drawing;
    const found = (await this.#found()).filter(({ version = 0 }) => version <= this.#newest);
    if (drawing !== this.#drawing) return; // something else is asked for by now
    this.#grid.replaceChildren(...found.map((emoji) => this.#item(emoji)));
    this.#grid.scrollTop = 0;
    byId("emoji-none").hidden = found.length > 0;
    if (found.length) this.#grid.firstElementChild.tabIndex = 0;
  }

  #item({ annotation, unicode, skins, own }) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "emoji-one", tabIndex: -1, title: annotation, ariaLabel: annotation });
    if (own) {
      button.dataset.own = own;
      button.append(pictureOf(own, this.#own));
      return button;
    }
    button.dataset.key = unicode;
    const toned = skins?.find(({ tone }) => [tone].flat().every((each) => each === this.#tone));
    button.textContent = toned?.unicode ?? unicode;
    return button;
  }

  #take(button) {
    if (!button) return;
    if (button.dataset.own) return this.#insert(`:${button.dataset.own}:`);
    this.#insert(button.textContent);
    void this.#database.incrementFavoriteEmojiCount(button.dataset.key);
  }

  // Skin tones

  #wireTones() {
    this.#toneButton.addEventListener("click", () => this.#showTones(this.#tones.hidden));
    this.#tones.addEventListener("click", (event) => {
      const tone = Number(event.target.closest("button")?.value ?? -1);
      if (tone < 0) return;
      this.#setTone(tone);
      this.#showTones(false);
      this.#toneButton.focus();
      void this.#database.setPreferredSkinTone(tone);
      void this.#draw();
    });
  }

  #showTones(isShown) {
    this.#tones.hidden = !isShown;
    this.#toneButton.setAttribute("aria-expanded", String(isShown));
    if (isShown) this.#tones.querySelector("[aria-pressed=true]").focus();
  }

  #setTone(tone) {
    this.#tone = tone;
    this.#toneButton.textContent = TONES[tone];
    for (const button of this.#tones.children) button.setAttribute("aria-pressed", String(Number(button.value) === tone));
  }

  // The keyboard: the arrows go from emoji to emoji, Enter takes one, in the field the first that was found.

  #pressed(event) {
    // The page has keys of its own.
    if (event.key !== "Escape") event.stopPropagation();
    if (isComposing(event)) return;
    const { target, key } = event;
    if (target === this.#find && key === "Enter") this.#take(this.#grid.firstElementChild);
    else if (target === this.#find && key === "ArrowDown") focusOn(this.#grid.firstElementChild);
    else if (this.#grid.contains(target) && target !== this.#grid) return this.#go(event);
    else if (this.#tabs.includes(target)) return this.#goToTab(event);
    else return;
    event.preventDefault();
  }

  #go(event) {
    const items = [...this.#grid.children];
    const at = items.indexOf(event.target);
    const columns = Math.max(1, items.findIndex(({ offsetTop }) => offsetTop > items[0].offsetTop));
    const on = document.dir === "rtl" ? -1 : 1;
    const to = {
      ArrowRight: at + on, ArrowLeft: at - on, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: items.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (event.key === "ArrowUp" && to < 0) return this.#find.focus();
    if (!items[to]) return;
    event.target.tabIndex = -1;
    focusOn(items[to]);
  }

  #goToTab(event) {
    const shown = this.#tabs.filter(({ hidden }) => !hidden);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] * (document.dir === "rtl" ? -1 : 1);
    if (event.key === "ArrowDown") focusOn(this.#grid.firstElementChild);
    if (!step) return;
    const to = shown[(shown.indexOf(event.target) + step + shown.length) % shown.length];
    to.click();
    to.focus();
    event.preventDefault();
  }
}

function focusOn(button) {
  if (!button) return;
  button.tabIndex = 0;
  button.focus();
}

/** The newest version of which this device has pictures: what it has none for is drawn in the colour of the text. */
function newestShown() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 24, height: 24 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const drawn = (text, colour) => {
    context.clearRect(0, 0, 24, 24);
    Object.assign(context, { fillStyle: colour, font: "18px sans-serif", textBaseline: "top" });
    context.fillText(text, 0, 0);
    return context.getImageData(0, 0, 24, 24).data.join();
  };
  return NEWEST.find(([, emoji]) => drawn(emoji, "#000") === drawn(emoji, "#f00"))?.[0] ?? OLDEST;
}
