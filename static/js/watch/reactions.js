// Reactions: taps are collected and sent as one burst. They rise at once, and not again when they come back in a frame.

import { call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { Picker } from "../parts/picker.js";
import { mapKinds } from "./likes.js";

const BURST_MS = 350;
const BURST_MAX = 20;

const addOne = (counts, kind) => counts.set(kind, (counts.get(kind) ?? 0) + 1);

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
