// The column beside the video, of tabs: comments, messages, and others between them. Where the inbox of the watch page is;
// see inbox.js.

import { recall, remember } from "../core/storage.js";
import { plural } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { capped } from "../parts/format.js";

export class Column {
  #tabs = [
    { name: "comments", button: byId("tab-comments"), panel: byId("comments-panel") },
    { name: "messages", button: byId("tab-messages"), panel: byId("messages") },
  ];
  #key = `column ${location.pathname}`;
  #changed = () => {};

  constructor() {
    for (const tab of this.#tabs) this.#wire(tab);
  }

  /** Add a tab before that of the messages. `opened()`: somebody has turned to it. */
  add(name, button, panel, opened) {
    const [messages] = this.#tabs.slice(-1);
    messages.button.before(button);
    messages.panel.before(panel);
    const tab = { name, button, panel, opened };
    this.#tabs.splice(-1, 0, tab);
    this.#wire(tab);
    if (recall(this.#key) === name) this.#turnTo(name);
  }

  get isShown() {
    return !byId("messages").hidden;
  }

  /** The open conversation takes the place of the list. */
  get isBeside() {
    return false;
  }

  get entry() {
    return byId("tab-messages");
  }

  begin({ viewer, changed }) {
    this.#changed = changed;
    if (viewer && recall(this.#key) === "messages") this.show();
  }

  show() {
    this.#turnTo("messages");
  }

  showComments() {
    this.#turnTo("comments");
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

  #wire(tab) {
    tab.button.addEventListener("click", () => this.#turnTo(tab.name));
    tab.button.addEventListener("keydown", (event) => this.#pressed(event, tab));
  }

  #turnTo(name, { focus = false } = {}) {
    for (const { name: its, button, panel, opened } of this.#tabs) {
      const isSelected = its === name;
      button.setAttribute("aria-selected", String(isSelected));
      button.tabIndex = isSelected ? 0 : -1;
      if (isSelected && focus) button.focus();
      panel.hidden = !isSelected;
      if (isSelected) opened?.();
    }
    remember(this.#key, name);
    this.#changed();
  }

  #pressed(event, tab) {
    const tabs = this.#tabs.filter(({ button }) => button.offsetParent); // a dock has no messages
    const [at, last] = [tabs.indexOf(tab), tabs.length - 1];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] * (document.dir === "rtl" ? -1 : 1);
    const to = { Home: 0, End: last }[event.key] ?? (step ? (at + step + tabs.length) % tabs.length : null);
    if (to === null) return;
    event.preventDefault();
    this.#turnTo(tabs[to].name, { focus: true });
  }
}

const openKey = (viewer) => `open ${viewer.id} ${location.pathname}`;
