// In a replay, what was written after the broadcast: apart from the comments that are in step with the picture.

import { byId } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { isLater } from "./state.js";

export class Afterwards {
  #known = new Map();
  #tabs = byId("then-or-later");
  /** Whether these are shown, in place of those in step. */
  isShown = false;

  /** `changed()`: others are to be shown. */
  constructor({ changed }) {
    this.changed = changed;
    this.#tabs.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.show(button.value === "later");
    });
  }

  get comments() {
    return [...this.#known.values()].sort((one, other) => one.seq - other.seq);
  }

  show(isShown) {
    if (this.isShown === isShown) return;
    this.isShown = isShown;
    this.changed();
  }

  /** Take what the page has of them. What the viewer has written themselves is shown. */
  collect({ video, comments, gone, viewer }) {
    const fresh = comments.filter((comment) => isLater(video, comment) && !this.#known.has(comment.id));
    const old = [...this.#known.keys()].filter((id) => gone.has(id));
    for (const comment of fresh) this.#known.set(comment.id, comment);
    for (const id of old) this.#known.delete(id);
    return { hasNews: fresh.length + old.length > 0, hasOwn: fresh.some(({ author }) => author.id === viewer?.id) };
  }

  render({ recording, video }) {
    this.#tabs.hidden = !recording || (!this.#known.size && !video.comments_after_end);
    byId("later-count").textContent = this.#known.size ? compact(this.#known.size) : "";
    for (const button of this.#tabs.children) button.setAttribute("aria-pressed", String((button.value === "later") === this.isShown));
  }
}
