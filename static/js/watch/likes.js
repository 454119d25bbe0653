// Likes and reactions: the buttons, the total, who has liked.

import { ApiError, call } from "../core/api.js";
import { broadcast, onBroadcast } from "../core/tabs.js";
import { plural, translate } from "../core/words.js";
import { byId, icon, note, reducedMotion } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { Picker } from "../parts/picker.js";
import { isOpen } from "./state.js";

const COUNT_UP_MS = 300;
const NAMES_MS = 3_000;
const NOTE_MS = 6_000;
const RETRY_MS = 10_000;
const TOP_KINDS = 3;
const BURST_MS = 350;
const BURST_MAX = 20;
/** What the button and the total are drawn from. */
const DRAWN = ["likes", "mine", "viewer", "video", "over"];

/** A number on the page that counts up to its value and goes down at once. It never becomes narrower. */
export class Counter {
  #element;
  #shown = null;
  #goal = 0;
  #signs = 0;
  #running = false;

  constructor(element, value) {
    this.#element = element;
    this.set(value);
  }

  set(value) {
    if (value === this.#goal && this.#shown !== null) return;
    const from = this.#shown;
    this.#goal = value;
    if (from === null || value < from || document.hidden || reducedMotion.matches) {
      this.#show(value);
      if (from !== null && value > from) this.#pulse();
      return;
    }
    if (!this.#running) this.#climb(from);
  }

  #climb(from) {
    this.#running = true;
    const start = performance.now();
    const step = (now) => {
      const share = Math.min(1, (now - start) / COUNT_UP_MS);
      this.#show(Math.max(Math.min(this.#goal, from), Math.round(from + (this.#goal - from) * share)));
      if (share < 1 && this.#shown !== this.#goal) requestAnimationFrame(step);
      else this.#running = false;
      if (!this.#running && this.#shown !== this.#goal) this.#climb(this.#shown);
    };
    requestAnimationFrame(step);
  }

  #show(value) {
    this.#shown = value;
    const text = compact(value);
    if (this.#element.textContent !== text) this.#element.textContent = text;
    if (text.length > this.#signs) {
      this.#signs = text.length;
      this.#element.style.minInlineSize = "";
      this.#element.style.minInlineSize = `${this.#element.getBoundingClientRect().width}px`;
    }
  }

  #pulse() {
    this.#element.classList.remove("pulse");
    void this.#element.offsetWidth;
    this.#element.classList.add("pulse");
  }
}

/** The line under the buttons: what went wrong with the last press. */
export class ActNote {
  #element = byId("act-note");
  #timer;

  show(text) {
    clearTimeout(this.#timer);
    note(this.#element, text);
  }

  clear() {
    note(this.#element, "");
  }

  complain(error) {
    this.show(error instanceof ApiError ? error.advice : String(error));
    this.#timer = setTimeout(() => this.clear(), NOTE_MS);
  }
}

/** Change each number of `{kind: number}`. */
const mapKinds = (counts, change) => Object.fromEntries(Object.entries(counts).map(([kind, n]) => [kind, change(kind, n)]));

/** The button with its six kinds, and the total. */
export class Likes {
  #button = byId("like");
  #picker = byId("like-picker");
  #total;
  #names = new LikedBy();
  #viewerId;
  // What the server has, and what the viewer wants by now.
  #confirmed;
  #wanted;
  #isSending = false;
  #retryTimer;
  #shownKinds = "";

  /** `store`: the page's state; `asViewer(work)`: run it once the viewer has a name. */
  constructor({ store, hearts, actNote, asViewer }) {
    Object.assign(this, { store, hearts, actNote, asViewer, path: `/videos/${store.state.video.id}/like` });
    this.#total = new Counter(byId("likes"), store.state.likes.total);
    this.#confirmed = this.#wanted = store.state.mine;
    this.#viewerId = store.state.viewer?.id;
    onBroadcast("mine", (message) => this.#likedElsewhere(message));
    new Picker(this.#button, this.#picker, {
      press: () => this.#want(store.state.mine ? null : "like"),
      pick: (kind) => this.#want(kind === store.state.mine ? null : kind),
    });
  }

  /** The connection is back. */
  wake() {
    void this.#settle();
  }

  /** A frame of likes has come: signs rise for the kinds that grew. */
  came(data, before) {
    this.hearts.rise(mapKinds(data.kinds, (kind, amount) => amount - (before.likes.kinds[kind] ?? 0)));
    this.#names.show(data);
  }

  render(state, before) {
    if (before && DRAWN.every((name) => state[name] === before[name])) return;
    const { likes, mine, viewer } = state;
    if (viewer?.id !== this.#viewerId && !this.#isSending) this.#wanted = this.#confirmed = mine;
    this.#viewerId = viewer?.id;
    this.#total.set(likes.total);
    byId("likes-word").textContent = plural("likes_word", likes.total);
    byId("liked").title = plural("likes", likes.total, { shown: new Intl.NumberFormat(document.documentElement.lang).format(likes.total) });
    this.#drawButton(mine);
    this.#drawKinds(likes.kinds, mine);
    this.#button.disabled = !isOpen(state);
  }

  #want(kind) {
    this.asViewer(() => {
      this.#wanted = kind;
      this.actNote.clear();
      if (kind) this.hearts.riseOwn(kind);
      this.store.dispatch("local_mine", { mine: kind });
      void this.#settle();
    });
  }

  /** The viewer has liked in another tab. */
  #likedElsewhere({ video, mine }) {
    if (video !== this.store.state.video.id || this.#isSending) return;
    this.#wanted = this.#confirmed = mine;
    this.actNote.clear();
    this.store.dispatch("local_mine", { mine });
  }

  // One call at a time; of what was pressed meanwhile only the last is sent. While nobody answers it waits.
  async #settle() {
    if (this.#isSending) return;
    this.#isSending = true;
    clearTimeout(this.#retryTimer);
    while (this.#wanted !== this.#confirmed) if (!await this.#send(this.#wanted)) break;
    this.#isSending = false;
  }

  /** Returns whether the server has answered. */
  async #send(kind) {
    try {
      const answer = await (kind ? call("PUT", this.path, { kind }) : call("DELETE", this.path));
      this.#confirmed = kind;
      broadcast("mine", { video: this.store.state.video.id, mine: kind });
      this.store.dispatch("local_liked", { ...answer, mine: this.#wanted });
      this.actNote.clear();
    } catch (error) {
      if (error.passing) {
        this.#retryTimer = setTimeout(() => void this.#settle(), RETRY_MS);
        this.actNote.show(translate("waits"));
        return false;
      }
      this.#wanted = this.#confirmed;
      this.store.dispatch("local_mine", { mine: this.#confirmed });
      this.actNote.complain(error);
    }
    return true;
  }

  #drawButton(mine) {
    const kind = mine ?? "like";
    const isPressed = String(mine !== null);
    if (this.#button.getAttribute("aria-pressed") === isPressed && this.#button.dataset.kind === kind) return;
    this.#button.setAttribute("aria-pressed", isPressed);
    this.#button.dataset.kind = kind;
    this.#button.querySelector(".act-icon").replaceChildren(icon(kind));
    byId("like-word").textContent = translate(`like.${kind}`);
  }

  #drawKinds(kinds, mine) {
    const choices = [...this.#picker.children];
    for (const choice of choices) {
      choice.setAttribute("aria-pressed", String(choice.dataset.kind === mine));
      choice.querySelector(".pick-count").textContent = compact(kinds[choice.dataset.kind] ?? 0);
    }
    const order = choices.map((choice) => choice.dataset.kind);
    const top = order.filter((each) => kinds[each] > 0).sort((a, b) => kinds[b] - kinds[a]).slice(0, TOP_KINDS);
    if (top.join() === this.#shownKinds) return;
    this.#shownKinds = top.join();
    byId("top-kinds").replaceChildren(...top.map(kindIcon));
  }
}

function kindIcon(kind) {
  const part = document.createElement("span");
  part.className = "kind";
  part.dataset.kind = kind;
  part.append(icon(kind));
  return part;
}

/** Who has liked, for a moment over the picture. */
class LikedBy {
  #line = byId("liked-by");
  #timer;

  show({ names = [], delta = 0 }) {
    if (!names.length) return;
    const more = delta - names.length;
    const listed = new Intl.ListFormat(document.documentElement.lang, { type: more > 0 ? "unit" : "conjunction" }).format(names);
    this.#line.textContent = more > 0 ? translate("liked_by_more", { names: listed, n: compact(more) }) : translate("liked_by", { names: listed });
    this.#line.classList.add("shown");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#line.classList.remove("shown"), NAMES_MS);
  }
}

const addOne = (counts, kind) => counts.set(kind, (counts.get(kind) ?? 0) + 1);

/** Taps are collected and sent as one burst. They rise at once, and not again when they come back in a frame. */
export class Reactions {
  #button = byId("react");
  #taps = new Map();
  #risen = new Map();
  #timer = null;

  constructor({ store, hearts, actNote, asViewer }) {
    Object.assign(this, { hearts, actNote, asViewer, path: `/videos/${store.state.video.id}/reactions` });
    new Picker(this.#button, byId("react-picker"), { press: () => this.#tap("heart"), pick: (kind) => this.#tap(kind) });
  }

  /** A frame of reactions has come. */
  came({ counts }) {
    this.hearts.rise(mapKinds(counts, (kind, amount) => {
      const mine = Math.min(this.#risen.get(kind) ?? 0, amount);
      this.#risen.set(kind, (this.#risen.get(kind) ?? 0) - mine);
      return amount - mine;
    }));
  }

  render({ video, over }) {
    this.#button.disabled = video.status !== "live" || over;
  }

  #tap(kind) {
    this.asViewer(() => {
      this.hearts.riseOwn(kind);
      addOne(this.#risen, kind);
      addOne(this.#taps, kind);
      this.#timer ??= setTimeout(() => void this.#send(), BURST_MS);
    });
  }

  async #send() {
    this.#timer = null;
    const taps = [...this.#taps];
    this.#taps.clear();
    for (const [kind, amount] of taps) {
      try {
        await call("POST", this.path, { kind, count: Math.min(amount, BURST_MAX) });
      } catch (error) {
        this.actNote.complain(error);
      }
    }
  }
}
