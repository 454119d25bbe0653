// Likes and reactions: the buttons, the totals, the signs over the picture.

import { ApiError, call } from "../core/api.js";
import { byId, icon, note, reducedMotion } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { pickable } from "../parts/picker.js";
import { isOpen } from "./state.js";
import { hear, tell } from "../core/tabs.js";
import { count, say } from "../core/words.js";

const COUNT_UP_MS = 300;
const BURST_MS = 350;
const BURST_MAX = 20;
const NAMES_MS = 3_000;
const NOTE_MS = 6_000;
const RETRY_MS = 10_000;

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

const mapped = (counts, change) => Object.fromEntries(Object.entries(counts).map(([kind, n]) => [kind, change(kind, n)]));

/** Wire the buttons. `store`: the page's state; `asViewer(work)`: run it once the viewer has a name. */
export function setUpLikes({ store, hearts, asViewer }) {
  const [button, picker, react, reactPicker] = ["like", "like-picker", "react", "react-picker"].map(byId);
  const path = `/videos/${store.state.video.id}`;
  const total = new Counter(byId("likes"), store.state.likes.total);
  // What the server last said, and what the viewer wants by now.
  let confirmed = store.state.mine;
  let wanted = confirmed;
  let viewerId = store.state.viewer?.id;
  let sending = false;
  let retryTimer;
  let noteTimer;

  function complain(error) {
    note(byId("act-note"), error instanceof ApiError ? error.advice : String(error));
    clearTimeout(noteTimer);
    noteTimer = setTimeout(() => note(byId("act-note"), ""), NOTE_MS);
  }

  // One call at a time; of what was pressed meanwhile only the last is sent. While nobody answers it waits.
  async function settle() {
    if (sending) return;
    sending = true;
    clearTimeout(retryTimer);
    while (wanted !== confirmed) {
      const asked = wanted;
      try {
        const answer = await (asked ? call("PUT", `${path}/like`, { kind: asked }) : call("DELETE", `${path}/like`));
        confirmed = asked;
        tell("mine", { video: store.state.video.id, mine: confirmed });
        store.dispatch("local_liked", { ...answer, mine: wanted });
        note(byId("act-note"), "");
      } catch (error) {
        if (error.passing) {
          retryTimer = setTimeout(settle, RETRY_MS);
          clearTimeout(noteTimer);
          note(byId("act-note"), say("waits"));
          break;
        }
        wanted = confirmed;
        store.dispatch("local_mine", { mine: confirmed });
        complain(error);
      }
    }
    sending = false;
  }

  hear("mine", ({ video, mine }) => {
    if (video !== store.state.video.id || sending) return;
    wanted = confirmed = mine;
    note(byId("act-note"), "");
    store.dispatch("local_mine", { mine });
  });

  const want = (kind) => asViewer(() => {
    wanted = kind;
    note(byId("act-note"), "");
    if (kind) hearts.riseOwn(kind);
    store.dispatch("local_mine", { mine: kind });
    void settle();
  });
  pickable(button, picker, {
    press: () => want(store.state.mine ? null : "like"),
    pick: (kind) => want(kind === store.state.mine ? null : kind),
  });

  // Taps are collected and sent as one burst. They rise at once, and not again when they come back in a frame.
  const taps = new Map();
  const risen = new Map();
  let burstTimer = null;
  async function sendBurst() {
    burstTimer = null;
    const bursts = [...taps];
    taps.clear();
    for (const [kind, amount] of bursts) {
      try {
        await call("POST", `${path}/reactions`, { kind, count: Math.min(amount, BURST_MAX) });
      } catch (error) {
        complain(error);
      }
    }
  }
  const tap = (kind) => asViewer(() => {
    hearts.riseOwn(kind);
    risen.set(kind, (risen.get(kind) ?? 0) + 1);
    taps.set(kind, (taps.get(kind) ?? 0) + 1);
    burstTimer ??= setTimeout(sendBurst, BURST_MS);
  });
  pickable(react, reactPicker, { press: () => tap("heart"), pick: tap });

  let namesTimer;
  function sayWho({ names = [], delta = 0 }) {
    if (!names.length) return;
    const line = byId("liked-by");
    const more = delta - names.length;
    const listed = new Intl.ListFormat(document.documentElement.lang, { type: more > 0 ? "unit" : "conjunction" }).format(names);
    line.textContent = more > 0 ? say("liked_by_more", { names: listed, n: compact(more) }) : say("liked_by", { names: listed });
    line.classList.add("shown");
    clearTimeout(namesTimer);
    namesTimer = setTimeout(() => line.classList.remove("shown"), NAMES_MS);
  }

  return {
    /** The connection is back. */
    wake: () => void settle(),
    /** A frame of likes: signs rise for the kinds that grew. */
    liked(data, before) {
      hearts.rise(mapped(data.kinds, (kind, amount) => amount - (before.likes.kinds[kind] ?? 0)));
      sayWho(data);
    },
    reacted({ counts }) {
      hearts.rise(mapped(counts, (kind, amount) => {
        const mine = Math.min(risen.get(kind) ?? 0, amount);
        risen.set(kind, (risen.get(kind) ?? 0) - mine);
        return amount - mine;
      }));
    },
    render(state) {
      const { likes, mine, video, viewer } = state;
      if (viewer?.id !== viewerId && !sending) wanted = confirmed = mine;
      viewerId = viewer?.id;
      total.set(likes.total);
      byId("likes-word").textContent = count("likes_word", likes.total);
      byId("liked").title = count("likes", likes.total, { shown: new Intl.NumberFormat(document.documentElement.lang).format(likes.total) });
      renderKinds(likes, mine);
      button.disabled = !isOpen(state);
      react.disabled = video.status !== "live" || state.over;
    },
  };
}

let shownKinds = "";

function renderKinds(likes, mine) {
  const button = byId("like");
  const kind = mine ?? "like";
  if (button.getAttribute("aria-pressed") !== String(mine !== null) || button.dataset.kind !== kind) {
    button.setAttribute("aria-pressed", String(mine !== null));
    button.dataset.kind = kind;
    button.querySelector(".act-icon").replaceChildren(icon(kind));
    byId("like-word").textContent = say(`like.${kind}`);
  }
  for (const choice of byId("like-picker").children) {
    choice.setAttribute("aria-pressed", String(choice.dataset.kind === mine));
    choice.querySelector(".pick-count").textContent = compact(likes.kinds[choice.dataset.kind] ?? 0);
  }
  const order = [...byId("like-picker").children].map((choice) => choice.dataset.kind);
  const top = order.filter((each) => likes.kinds[each] > 0).sort((a, b) => likes.kinds[b] - likes.kinds[a]).slice(0, 3);
  if (top.join() === shownKinds) return;
  shownKinds = top.join();
  byId("top-kinds").replaceChildren(...top.map((each) => {
    const part = document.createElement("span");
    part.className = "kind";
    part.dataset.kind = each;
    part.append(icon(each));
    return part;
  }));
}
