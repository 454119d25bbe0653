// What the broadcaster and moderators put beside the picture: a button at the head of the comments, and a dialog with a
// form for each thing.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, copyOf, note, toast } from "../parts/dom.js";
import { PollForm } from "./poll-form.js";

export class Tools {
  #dialog = byId("board-dialog");
  #board = null;
  #pollForm = new PollForm({
    send: (...what) => this.#send(...what),
    fail: (text) => this.#fail(text),
    done: () => this.#dialog.close(),
  });

  constructor({ store }) {
    this.store = store;
    const button = copyOf("board-tools-template");
    document.querySelector(".comments-head").append(button);
    button.addEventListener("click", () => {
      this.#draw();
      this.#dialog.showModal();
    });
    this.#dialog.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("input", () => this.#fail(""));
    this.#onSubmit("announcement-form", ({ text }) => this.#announce(text.value));
    this.#onSubmit("goal-form", (fields) => this.#setGoal(fields));
    this.#onSubmit("raid-form", ({ to }) => this.#send("PUT", "/raid", { to: to.value }, "raid_begun"));
    byId("announcement-away").addEventListener("click", () => void this.#send("DELETE", "/announcement", undefined, "taken_away"));
    byId("goal-away").addEventListener("click", () => void this.#send("DELETE", `/goals/${byId("goal-kind").value}`, undefined, "taken_away"));
    byId("raid-away").addEventListener("click", () => void this.#send("DELETE", "/raid", undefined, "raid_off"));
    byId("questions-switch").addEventListener("click", () => void this.#switchQuestions());
    byId("goal-kind").addEventListener("change", () => this.#draw());
    byId("raid-details").addEventListener("toggle", ({ target }) => { if (target.open) void this.#listTargets(); });
  }

  render(board) {
    this.#board = board;
    if (this.#dialog.open) this.#draw();
  }

  #onSubmit(id, work) {
    const form = byId(id);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void work(form.elements);
    });
  }

  #draw() {
    const { video } = this.store.state;
    const board = this.#board ?? { poll: null, announcement: null, goals: [], raid: null, questions: null };
    byId("board-ended").hidden = video.status !== "ended";
    byId("board-forms").hidden = video.status === "ended";
    this.#pollForm.render(board.poll, video);
    byId("questions-switch").textContent = translate(board.questions?.is_open ? "questions_stop" : "questions_begin");
    byId("announcement-away").hidden = !board.announcement;
    byId("goal-away").hidden = !board.goals.some(({ kind }) => kind === byId("goal-kind").value);
    byId("raid-away").hidden = !board.raid;
  }

  #switchQuestions() {
    const isOpen = !this.#board?.questions?.is_open;
    return this.#send("PUT", "/questions", { is_open: isOpen }, isOpen ? "questions_begun" : "questions_stopped");
  }

  #announce(text) {
    if (!text.trim()) return this.#fail(translate("nothing_written"));
    return this.#send("PUT", "/announcement", { text }, "announced", () => byId("announcement-form").reset());
  }

  #setGoal({ target, kind, title }) {
    if (!target.checkValidity() || !target.value) return this.#fail(target.validationMessage || translate("nothing_written"));
    return this.#send("PUT", `/goals/${kind.value}`, { target: Number(target.value), title: title.value }, "goal_set");
  }

  /** The public broadcasts of others that are live now. */
  async #listTargets() {
    const list = byId("raid-to");
    try {
      const { items } = await call("GET", "/videos?status=live&limit=100", undefined, { quietly: true });
      const others = items.filter(({ broadcaster }) => broadcaster.id !== this.store.state.video.broadcaster.id);
      list.replaceChildren(...others.map(({ id, title, broadcaster }) => new Option(`${broadcaster.name}: ${title}`, id)));
      if (!others.length) this.#fail(translate("no_target"));
    } catch (error) {
      this.#complain(error);
    }
  }

  #fail(text) {
    note(byId("board-error"), text);
  }

  #complain(error) {
    if (!(error instanceof ApiError)) throw error;
    this.#fail([409, 422].includes(error.status) ? error.detail : error.advice);
  }

  /** Return whether it was done; what goes wrong is written under the forms. */
  async #send(method, path, body, done, then = () => {}) {
    const buttons = [...this.#dialog.querySelectorAll("button:not([data-close])")];
    for (const button of buttons) button.disabled = true;
    try {
      await call(method, `/videos/${this.store.state.video.id}${path}`, body);
      this.#fail("");
      toast(translate(done));
      then();
      return true;
    } catch (error) {
      this.#complain(error);
      return false;
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }
}
