// The column beside the video, of two tabs: comments, messages. Where the inbox of the watch page is; see inbox.js.

import { recall, remember } from "../core/storage.js";
import { plural } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { capped } from "./conversations.js";

const TABS = ["comments", "messages"];

export class Column {
  #buttons = TABS.map((name) => byId(`tab-${name}`));
  #panels = [byId("comments-panel"), byId("messages")];
  #key = `column ${location.pathname}`;
  #changed = () => {};

  constructor() {
    for (const [at, button] of this.#buttons.entries()) {
      button.addEventListener("click", () => this.#turnTo(TABS[at]));
      button.addEventListener("keydown", (event) => this.#pressed(event, at));
    }
  }

  get isShown() {
    return !this.#panels[1].hidden;
  }

  /** The open conversation takes the place of the list. */
  get isBeside() {
    return false;
  }

  get entry() {
    return this.#buttons[1];
  }

  begin({ viewer, changed }) {
    this.#changed = changed;
    if (viewer && recall(this.#key) === "messages") this.show();
  }

  show() {
    this.#turnTo("messages");
  }

  /** The id of the conversation that was open before the page was loaded again, "" for none. */
  openBefore(viewer) {
    return recall(openKey(viewer));
  }

  opened(viewer, id) {
    remember(openKey(viewer), id);
  }

  drawUnread(unread) {
    const badge = byId("unread");
    badge.hidden = unread === 0;
    badge.textContent = capped(unread);
    byId("unread-words").textContent = unread ? plural("unread", unread) : "";
    byId("comments-toggle").classList.toggle("has-unread", unread > 0);
  }

  #turnTo(name, { focus = false } = {}) {
    for (const [at, button] of this.#buttons.entries()) {
      const isSelected = TABS[at] === name;
      button.setAttribute("aria-selected", String(isSelected));
      button.tabIndex = isSelected ? 0 : -1;
      if (isSelected && focus) button.focus();
      this.#panels[at].hidden = !isSelected;
    }
    remember(this.#key, name);
    this.#changed();
  }

  #pressed(event, at) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] * (document.dir === "rtl" ? -1 : 1);
    const to = { Home: 0, End: TABS.length - 1 }[event.key] ?? (step ? (at + step + TABS.length) % TABS.length : null);
    if (to === null) return;
    event.preventDefault();
    this.#turnTo(TABS[to], { focus: true });
  }
}

const openKey = (viewer) => `open ${viewer.id} ${location.pathname}`;
