// What those who moderate do on a watch page: delete, time-out, ban, dismiss, each with half a minute to take it back. The
// menu of a comment loads it when it is first used, queue.js when something waits. Its texts and templates come
// with it.

import { ApiError, call } from "../core/api.js";
import { addWords, plural, translate } from "../core/words.js";
import { byId, copyOf, isComposing, note, writeTime } from "../parts/dom.js";
import { shortly } from "../parts/format.js";
import { mayAct, mayModerate } from "../parts/rights.js";

const UNDO_MS = 30_000;
const SECONDS = 600;
const NOTES_SHOWN = 5;

let loaded = null;

/** Return the tools of the page, loaded once. `store`: that of watch.js. */
export async function loadedTools(page) {
  loaded ??= load(page);
  try {
    return await loaded;
  } catch (error) {
    loaded = null; // the next one tries again
    throw error;
  }
}

async function load(page) {
  const answer = await fetch("/moderation/tools/");
  if (!answer.ok) throw new Error(`/moderation/tools/: ${answer.status}`);
  const { head, body } = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.body.append(...head.childNodes, ...body.childNodes);
  addWords(JSON.parse(byId("moderation-words").textContent));
  return new Tools(page);
}

class Tools {
  #dialog = byId("moderate-dialog");
  #comment = null;
  #complain = () => {};
  #undo = null;
  #timer;

  constructor({ store }) {
    this.store = store;
    this.#dialog.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button && Object.hasOwn(button.dataset, "close")) this.#dialog.close();
      else if (button?.dataset.act) void this.#choose(button.dataset);
    });
    byId("moderate-note").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = byId("moderate-note-body");
      if (field.value.trim()) void this.#attempt(() => this.#writeNote(field), (text) => note(byId("moderate-error"), text));
    });
    byId("undo-yes").addEventListener("click", () => void this.#takeBack());
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "u" || !this.#undo || isTyping || isComposing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      void this.#takeBack();
    });
  }

  /**
   * Do what a key or an entry of the menu says. `comment`: of this video, else with its `videoId`; `complain(text)`: what
   * went wrong.
   */
  do(act, comment, complain) {
    this.#complain = complain;
    if (act === "moderate") return this.#open(comment);
    return this.#attempt(() => this.#act(act, comment, { seconds: SECONDS }), complain);
  }

  get #channel() {
    return `/channels/${this.store.state.video.broadcaster.id}`;
  }

  #open(comment) {
    this.#comment = comment;
    byId("moderate-name").textContent = comment.author.name;
    byId("moderate-body").textContent = comment.body;
    byId("moderate-reason").value = "";
    note(byId("moderate-error"), "");
    byId("moderate-history").textContent = "";
    byId("moderate-note-body").value = "";
    this.#showNotes([]);
    const { state } = this.store;
    byId("moderate-note").hidden = !mayAct(state, "note");
    for (const button of this.#dialog.querySelectorAll("[data-act]")) {
      const { act, seconds = 0 } = button.dataset;
      button.hidden = !mayModerate(state, act, comment) || Number(seconds) > state.timeOutSecondsMax;
    }
    this.#dialog.showModal();
    void this.#attempt(() => this.#showHistory(comment), (text) => note(byId("moderate-error"), text));
  }

  async #showHistory(comment) {
    const { restriction, taken, acts, notes } = await call("GET", `${this.#channel}/people/${comment.author.id}`);
    if (comment !== this.#comment) return;
    const found = [plural("acts", acts.length)];
    if (taken) found.unshift(translate(`taken_${taken.kind}`, { name: taken.origin.name }));
    if (restriction) found.unshift(translate(`is_${restriction.kind}`));
    byId("moderate-history").textContent = found.join(" · ");
    this.#showNotes(notes);
  }

  /** The newest notes on the person, the newest first. */
  #showNotes(notes) {
    const list = byId("moderate-notes");
    list.hidden = !notes.length;
    list.replaceChildren(...notes.slice(0, NOTES_SHOWN).map(({ body, author, at_ms: atMs }) => {
      const item = copyOf("note-template");
      item.querySelector("[data-part=body]").textContent = body;
      item.querySelector("[data-part=by]").textContent = author?.name ?? "–";
      writeTime(item, atMs, shortly(atMs));
      return item;
    }));
  }

  async #writeNote(field) {
    const comment = this.#comment;
    await call("POST", `${this.#channel}/people/${comment.author.id}/notes`, { body: field.value });
    field.value = "";
    await this.#showHistory(comment);
  }

  async #choose({ act, seconds }) {
    const reason = byId("moderate-reason").value.trim();
    const complain = (text) => note(byId("moderate-error"), text);
    if (await this.#attempt(() => this.#act(act, this.#comment, { seconds: Number(seconds), reason }), complain)) this.#dialog.close();
  }

  async #act(act, { id, author, videoId = this.store.state.video.id, question = null }, { seconds, reason = "" }) {
    const comments = `/videos/${videoId}/comments`;
    const why = reason ? `?reason=${encodeURIComponent(reason)}` : "";
    let back;
    if (act === "delete" && question) {
      const path = `/videos/${videoId}/questions/${question}`;
      await call("DELETE", path);
      return this.#offerUndo(translate("done_delete_question", { name: author.name }), `${path}/restore`);
    }
    if (act === "delete") {
      await call("DELETE", `${comments}/${id}${why}`);
      this.store.dispatch("local_deleted", { id });
      back = `${comments}/${id}/restore`;
    } else if (act === "dismiss") {
      const dismissal = await call("DELETE", `${this.#channel}/reported/${id}`);
      back = this.#backOf({ act: dismissal.id });
    } else if (act === "delete_all") {
      back = this.#backOf(await call("DELETE", `${this.#channel}/people/${author.id}/comments${why}`));
    } else {
      const given = act === "time_out" ? { kind: act, seconds, reason } : { kind: act, reason };
      back = this.#backOf(await call("PUT", `${this.#channel}/restrictions/${author.id}`, given));
    }
    this.#offerUndo(translate(`done_${act}`, { name: author.name }), back);
  }

  #backOf({ act }) {
    return `${this.#channel}/acts/${act}/undo`;
  }

  #offerUndo(text, path) {
    this.#undo = path;
    byId("undo-text").textContent = text;
    byId("undo-bar").hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#forgetUndo(), UNDO_MS);
  }

  #forgetUndo() {
    this.#undo = null;
    byId("undo-bar").hidden = true;
  }

  async #takeBack() {
    const path = this.#undo;
    this.#forgetUndo();
    await this.#attempt(() => call("POST", path), this.#complain);
  }

  /** Return whether it was done. */
  async #attempt(work, complain) {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      complain(error.code === "forbidden" ? error.advice : error.detail || error.advice);
      return false;
    }
  }
}
