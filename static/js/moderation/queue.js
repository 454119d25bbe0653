// What waits for those who moderate: what viewers have reported and what the rules hold for review, and the alarm of an
// attack. In a line above the comments, which opens it. The watch page loads it where the viewer moderates. It follows the
// moderators' topic of the channel.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { byId, copyOf, note, writeTime } from "../parts/dom.js";
import { clock } from "../parts/format.js";
import { GateBar } from "./gate-bar.js";
import { KeyedList } from "./keyed-list.js";
import { apply } from "./state.js";
import { loadedTools } from "./tools.js";

const PARTS = ["reported", "held", "alarm", "gate"];

export class Queue {
  #state = null;
  #bar = null;
  #dialog;
  #tools;
  #gateBar;
  #reported;
  #held;
  #deciding = new Set();

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
    const before = this.#state;
    this.#state = state;
    if (PARTS.every((part) => state?.[part] === before?.[part])) return;
    if (!this.#bar) {
      if (!state || (PARTS.every((part) => !(state[part]?.length ?? state[part])))) return;
      this.#tools = await loadedTools({ store: this.store });
      if (!this.#bar) this.#place();
    }
    this.#draw(this.#state ?? { reported: [], held: [], alarm: null, gate: null });
  }

  #place() {
    const comments = document.querySelector("#comments-panel .comments-body");
    this.#gateBar = new GateBar({ store: this.store, place: (bar) => comments.before(bar) });
    this.#bar = copyOf("queue-bar-template");
    comments.before(this.#bar);
    this.#dialog = byId("queue-dialog");
    const { store } = this;
    this.#reported = new KeyedList({
      list: byId("reported-list"), template: "reported-template", otherwise: this.#dialog,
      fill: (item, each) => fillReported(item, each, store.state.may),
    });
    this.#held = new KeyedList({ list: byId("held-list"), template: "held-template", otherwise: this.#dialog, fill: fillHeld });
    this.#bar.addEventListener("click", () => this.#open());
    this.#dialog.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
    // "Undo" belongs to both: what is outside of an open dialog cannot be pressed.
    this.#dialog.addEventListener("close", () => document.body.append(byId("undo-bar")));
    this.#dialog.addEventListener("click", (event) => {
      const { act } = event.target.closest("button")?.dataset ?? {};
      const { id } = event.target.closest("li[data-id]")?.dataset ?? {};
      if (act === "approve" || act === "deny") void this.#decide(act, id);
      else if (act) void this.#act(act, id);
    });
  }

  #open() {
    this.#complain("");
    this.#dialog.append(byId("undo-bar"));
    this.#dialog.showModal();
  }

  #complain(text) {
    note(byId("queue-error"), text);
  }

  async #act(act, id) {
    const reported = this.#state.reported.find((each) => each.id === id);
    if (!reported) return; // a second press
    const { viewer, video_id: videoId, question } = reported;
    this.#complain("");
    await this.#tools.do(act, { id, author: viewer, videoId, question }, (text) => this.#complain(text));
  }

  /** Publish what is held, or throw it away. The event takes it from all moderators' lists. */
  async #decide(act, id) {
    const found = this.#state.held.find((each) => each.id === id);
    // A second press: it is decided, or being decided.
    if (!found || this.#deciding.has(id)) return;
    this.#deciding.add(id);
    this.#complain("");
    try {
      await call(act === "approve" ? "POST" : "DELETE", `/videos/${found.video_id}/held/${id}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#deciding.delete(id);
      this.#complain(error.detail || error.advice);
    }
  }

  #draw({ reported, held, alarm, gate }) {
    this.#gateBar.render({ alarm, gate });
    const said = [["reported", reported.length], ["held", held.length]].filter(([, count]) => count);
    this.#bar.hidden = !said.length;
    this.#bar.querySelector("span").textContent = said.map(([key, count]) => plural(key, count)).join(" · ");
    for (const [name, { length }] of Object.entries({ reported, held })) byId(`${name}-part`).hidden = !length;
    byId("queue-none").hidden = said.length > 0;
    this.#reported.render(reported);
    this.#held.render(held);
  }
}

const partOf = (item) => (name) => item.querySelector(`[data-part=${name}]`);

function fillReported(item, { kind, viewer, text, reasons, complaints }, may) {
  const part = partOf(item);
  part("name").textContent = viewer.name;
  part("reasons").textContent = Object.entries(reasons)
    .map(([reason, n]) => (n > 1 ? `${translate(`reason_${reason}`)} × ${n}` : translate(`reason_${reason}`))).join(" · ");
  part("text").textContent = text;
  part("text").hidden = kind === "person";
  part("question").hidden = kind !== "question";
  part("person").hidden = kind !== "person";
  for (const button of item.querySelectorAll("[data-act]")) button.hidden = !may.includes(button.dataset.act);
  if (kind === "person") item.querySelector("[data-act=delete]").hidden = true;
  part("complaints").replaceChildren(...complaints.map(({ by, remark, at_ms: atMs }) => {
    const line = copyOf("complaint-template");
    line.querySelector("[data-part=by]").textContent = by.name;
    writeTime(line, atMs, clock(atMs));
    note(line.querySelector("[data-part=remark]"), remark);
    return line;
  }));
}

function fillHeld(item, { kind, author, body, reason, at_ms: atMs }) {
  const part = partOf(item);
  part("name").textContent = author.name;
  part("question").hidden = kind !== "question";
  writeTime(item, atMs, clock(atMs));
  part("text").textContent = body;
  part("reason").querySelector("bdi").textContent = reason;
}
