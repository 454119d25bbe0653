// Likes: the button and its six kinds, the total, who has liked.

import { ApiError, call } from "../core/api.js";
import { broadcast, onBroadcast } from "../core/tabs.js";
import { plural, translate } from "../core/words.js";
import { byId, icon, note } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { Picker } from "../parts/picker.js";
import { Counter } from "./counter.js";
import { isOpen } from "./state.js";

const NAMES_MS = 3_000;
const NOTE_MS = 6_000;
const RETRY_MS = 10_000;
const TOP_KINDS = 3;

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
export const mapKinds = (counts, change) => Object.fromEntries(Object.entries(counts).map(([kind, n]) => [kind, change(kind, n)]));

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

  render(state) {
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
