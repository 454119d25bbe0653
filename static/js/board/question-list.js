// The list of questions: most votes first, with what one may do with each. Nothing moves under the finger of somebody who
// reads it: it is put in order again when they have done nothing for a while.

import { plural, translate } from "../core/words.js";
import { byId, copyOf, icon, writeTime } from "../parts/dom.js";
import { compact, offset } from "../parts/format.js";
import { write } from "../parts/own-emoji.js";
import { isRead } from "../parts/rights.js";
import { ranked } from "./question-state.js";

const CALM_MS = 3_000;

export class QuestionList {
  #list = byId("question-list");
  #items = new Map();
  #touchedAt = -CALM_MS;
  #timer;

  /** `act(name, id)`: what one has pressed: vote, answering, answered, delete, report. */
  constructor({ act }) {
    this.act = act;
    for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "focusin"]) {
      this.#list.addEventListener(name, () => { this.#touchedAt = performance.now(); }, { passive: true });
    }
  }

  render(state, page) {
    clearTimeout(this.#timer);
    const shown = ranked(state).filter(({ author }) => isRead(page, author));
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (ids.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    for (const question of shown) this.#draw(question, page);
    this.#arrange(shown, () => this.render(state, page));
    byId("no-questions").hidden = shown.length > 0;
  }

  #arrange(shown, later) {
    const wanted = shown.map(({ id }) => this.#items.get(id));
    if (wanted.every((item, at) => this.#list.children[at] === item)) return;
    const waitMs = this.#touchedAt + CALM_MS - performance.now();
    if (waitMs > 0) {
      // What is new comes last until then.
      this.#list.append(...wanted.filter((item) => !item.parentNode));
      this.#timer = setTimeout(later, waitMs);
      return;
    }
    const focused = this.#list.contains(document.activeElement) ? document.activeElement : null;
    this.#list.append(...wanted);
    focused?.focus({ preventScroll: true });
  }

  #make(question) {
    const item = copyOf("question-template");
    for (const button of item.querySelectorAll("[data-act]")) {
      button.addEventListener("click", () => this.act(button.dataset.act, question.id));
    }
    this.#items.set(question.id, item);
    return item;
  }

  #draw(question, { video, viewer, may, emoji }) {
    const item = this.#items.get(question.id) ?? this.#make(question);
    const part = (name) => item.querySelector(`[data-act="${name}"]`);
    const isOwn = viewer?.id === question.author.id;
    const isAnswering = Boolean(question.answering_at_ms);
    write(item.querySelector(".question-body"), question.body, emoji);
    item.querySelector(".question-author").textContent = question.author.name;
    writeTime(item, question.asked_at_ms, offset(question.asked_at_ms, video.started_at_ms));
    item.classList.toggle("is-answering", isAnswering);
    item.querySelector(".question-now").hidden = !isAnswering;
    const vote = part("vote");
    vote.setAttribute("aria-pressed", String(question.isMine));
    vote.setAttribute("aria-label", `${translate("vote_for")}: ${question.body}. ${plural("votes", question.votes, { shown: question.votes })}`);
    vote.disabled = video.status === "ended";
    vote.querySelector(".num").textContent = compact(question.votes);
    item.querySelector(".question-acts").hidden = !may.includes("board");
    part("answering").hidden = isAnswering || video.status === "ended";
    part("delete").hidden = !(may.includes("delete") || isOwn);
    // Who moderates acts on it, or not.
    part("report").hidden = isOwn || may.includes("delete");
  }
}

/** The questions that were answered; `go(question)`: where its answer is in the picture, null for nowhere. */
export function drawAnswered(list, questions, { page: { video, emoji }, goTo, putBack }) {
  list.replaceChildren(...questions.map((question) => {
    const item = copyOf("answered-template");
    write(item.querySelector(".question-body"), question.body, emoji);
    item.querySelector(".question-author").textContent = question.author.name;
    item.querySelector(".question-votes").textContent = plural("votes", question.votes, { shown: compact(question.votes) });
    const [go, back] = item.querySelectorAll("button");
    const work = goTo(question);
    go.hidden = !work;
    if (work) {
      go.append(icon("play"), offset(question.answering_at_ms, video.started_at_ms));
      go.addEventListener("click", work);
    }
    back.hidden = !putBack;
    back.addEventListener("click", () => putBack(question.id));
    return item;
  }));
}
