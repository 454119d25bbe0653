// What viewers have reported, for those who moderate: how much waits, in a line above the comments, and what to do with
// each. The watch page loads it where the viewer moderates. It follows the moderators' topic of the channel.

import { plural, translate } from "../core/words.js";
import { byId, copyOf, note, writeTime } from "../parts/dom.js";
import { clock } from "../parts/format.js";
import { loadedTools } from "./tools.js";

/** Return the state after an event: `{epoch, seq, reported}`, the newest first, as the server has it. */
export function apply(state, name, data) {
  if (name === "reset") return { epoch: data.epoch, seq: data.seq, reported: data.snapshot.reported };
  const next = { ...state, seq: data.seq };
  if (name !== "reported" && name !== "reported_settled") return next;
  const others = state.reported.filter(({ id }) => id !== data.reported.id);
  const now = name === "reported" ? [...others, data.reported] : others;
  return { ...next, reported: now.sort((one, other) => (one.complaints[0].id < other.complaints[0].id ? 1 : -1)) };
}

export class Reported {
  #state = null;
  #items = new Map();
  #bar = null;
  #dialog;
  #tools;

  /** `store`, `client`: those of watch.js. */
  constructor({ store, client }) {
    this.store = store;
    client.watch(`moderation:${store.state.video.broadcaster.id}`, {
      has: () => this.#state,
      deliver: (name, data) => this.#turn(apply(this.#state, name, data)),
      lost: () => this.#turn(null),
    });
  }

  async #turn(state) {
    const before = this.#state?.reported;
    this.#state = state;
    if (state?.reported === before) return;
    if (!this.#bar) {
      if (!state?.reported.length) return;
      this.#tools = await loadedTools({ store: this.store });
      if (!this.#bar) this.#place();
    }
    this.#draw(this.#state?.reported ?? []);
  }

  #place() {
    this.#bar = copyOf("reported-bar-template");
    document.querySelector("#comments-panel .comments-body").before(this.#bar);
    this.#dialog = byId("reported-dialog");
    this.#bar.addEventListener("click", () => this.#open());
    this.#dialog.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
    // "Undo" belongs to both: what is outside of an open dialog cannot be pressed.
    this.#dialog.addEventListener("close", () => document.body.append(byId("undo-bar")));
    byId("reported-list").addEventListener("click", (event) => {
      const { act } = event.target.closest("button")?.dataset ?? {};
      if (act) void this.#act(act, event.target.closest("li").dataset.id);
    });
  }

  #open() {
    note(byId("reported-error"), "");
    this.#dialog.append(byId("undo-bar"));
    this.#dialog.showModal();
  }

  async #act(act, id) {
    const { viewer, video_id: videoId } = this.#state.reported.find((each) => each.id === id);
    note(byId("reported-error"), "");
    await this.#tools.do(act, { id, author: viewer, videoId }, (text) => note(byId("reported-error"), text));
  }

  #draw(reported) {
    this.#bar.hidden = !reported.length;
    this.#bar.querySelector("span").textContent = plural("reported", reported.length);
    byId("reported-none").hidden = reported.length > 0;
    const list = byId("reported-list");
    const shown = new Set(reported.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (shown.has(id)) continue;
      const hadFocus = item.contains(document.activeElement);
      const next = item.nextElementSibling ?? item.previousElementSibling ?? this.#dialog;
      item.remove();
      this.#items.delete(id);
      if (hadFocus) next.querySelector("button:not([hidden])").focus();
    }
    reported.forEach((each, at) => {
      const item = this.#items.get(each.id) ?? copyOf("reported-template");
      this.#items.set(each.id, item);
      fill(item, each, this.store.state.may);
      if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
    });
  }
}

function fill(item, { id, kind, viewer, text, reasons, complaints }, may) {
  const part = (name) => item.querySelector(`[data-part=${name}]`);
  item.dataset.id = id;
  part("name").textContent = viewer.name;
  part("reasons").textContent = Object.entries(reasons)
    .map(([reason, n]) => (n > 1 ? `${translate(`reason_${reason}`)} × ${n}` : translate(`reason_${reason}`))).join(" · ");
  part("text").textContent = text;
  part("text").hidden = kind !== "comment";
  part("person").hidden = kind !== "person";
  for (const button of item.querySelectorAll("[data-act]")) button.hidden = !may.includes(button.dataset.act);
  if (kind !== "comment") item.querySelector("[data-act=delete]").hidden = true;
  part("complaints").replaceChildren(...complaints.map(({ by, remark, at_ms: atMs }) => {
    const line = copyOf("complaint-template");
    line.querySelector("[data-part=by]").textContent = by.name;
    writeTime(line, atMs, clock(atMs));
    note(line.querySelector("[data-part=remark]"), remark);
    return line;
  }));
}
