// The question that is being answered, for all beside the picture; in a replay at the moment when it was.

import { translate } from "../core/words.js";
import { byId, copyOf } from "../parts/dom.js";
import { write } from "../parts/own-emoji.js";

export class AnsweringCard {
  #card = copyOf("answering-template");
  #shown = null;

  /** `answered(id)`: the broadcaster is through with it. */
  constructor({ place, answered }) {
    place.prepend(this.#card);
    this.#card.querySelector("button").addEventListener("click", () => answered(this.#shown));
  }

  /** `question`: null for none. */
  render(question, { may, over, video, emoji }) {
    this.#card.hidden = !question || over;
    this.#card.querySelector("button").hidden = !may.includes("board") || video.status === "ended";
    if (question) write(this.#card.querySelector(".question-body"), question.body, emoji);
    const id = question?.id ?? null;
    if (id === this.#shown) return;
    this.#shown = id;
    if (!question) return;
    this.#card.querySelector(".question-author").textContent = question.author.name;
    if (video.status !== "ended") byId("announcements").textContent = translate("answering_now", { question: question.body });
  }
}

/** The question that was being answered at a moment of the recording. */
export const answeredAt = (questions, ms) =>
  questions.find(({ answering_at_ms: from, answered_at_ms: until }) => from !== null && from <= ms && ms < until) ?? null;
