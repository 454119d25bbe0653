// What is beside the picture. The watch page loads it where there is something (`has_board` of the video), or where the
// viewer may put something there. Its texts and templates come with it.

import { ApiError, call } from "../core/api.js";
import { addWords } from "../core/words.js";
import { byId, copyOf } from "../parts/dom.js";
import { Announcement, Goals } from "./notices.js";
import { PollCard } from "./poll.js";
import { PollReplay } from "./poll-replay.js";
import { RaidCard } from "./raid.js";
import { again, apply, first } from "./state.js";

const AGAIN_MS = 3_000;

/** Return the board of the page. `store`, `client`, `asViewer`, `inStep`, `shownNow`: those of watch.js; `addTab`: the column's. */
export async function loadedBoard(page) {
  if (!byId("board-words")) {
    const answer = await fetch(`/board/?in=${document.documentElement.lang.slice(0, 2)}`);
    if (!answer.ok) throw new Error(`/board/: ${answer.status}`);
    const { head, body } = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.body.append(...head.childNodes, ...body.childNodes);
    addWords(JSON.parse(byId("board-words").textContent));
  }
  return new Board(page);
}

class Board {
  #place = copyOf("board-template");
  #state = null;
  #viewerId;
  #hasAsked = false;
  #tools = null;
  #questions = null;
  #cards;
  #poll;
  #replay;

  constructor({ store, client, asViewer, inStep, shownNow, addTab }) {
    Object.assign(this, { store, client, asViewer, shownNow, addTab });
    // Who puts things there sees at once what they have done.
    this.inStep = (deliver) => (store.state.may.includes("board") ? deliver : inStep(deliver));
    document.querySelector("#comments-panel .comments-body").before(this.#place);
    const place = this.#place;
    const voted = (message) => this.#happened("local_voted", message);
    this.#cards = [new RaidCard({ place }), new Announcement({ place }), new Goals({ place })];
    this.#poll = new PollCard({ place, asViewer, voted, refresh: () => void this.#ask() });
    this.#replay = new PollReplay({ store, card: this.#poll });
  }

  render({ video, viewer, may }) {
    const isOther = viewer?.id !== this.#viewerId;
    this.#viewerId = viewer?.id;
    if (isOther && this.#state) this.#state = { ...this.#state, mine: null };
    if (video.has_board && (!this.#hasAsked || isOther)) void this.#ask();
    if (may.includes("board") && !this.#tools) this.#tools = import("./tools.js").then(({ Tools }) => new Tools({ store: this.store }));
    this.#draw();
  }

  /** Ask for the board as it is now, with what the viewer has voted for; follow it from then on. */
  async #ask() {
    this.#hasAsked = true;
    const asked = this.#viewerId;
    try {
      const state = first(await call("GET", `/videos/${this.store.state.video.id}/board`, undefined, { quietly: true }));
      if (asked !== this.#viewerId) return;
      const isFirst = this.#state === null;
      this.#state = isFirst ? state : again(this.#state, state);
      if (isFirst) this.#follow(state.topic);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passing) setTimeout(() => void this.#ask(), AGAIN_MS * (1 + Math.random()));
    }
    this.#draw();
  }

  #follow(topic) {
    this.client.watch(topic, {
      has: () => this.#state,
      deliver: this.inStep((name, data) => this.#happened(name, data)),
    });
  }

  #happened(name, data) {
    if (!this.#state) return;
    this.#state = apply(this.#state, name, data);
    this.#draw();
  }

  async #loadQuestions() {
    const { Questions } = await import("./questions.js");
    const { store, client, asViewer, addTab, inStep } = this;
    return new Questions({ store, client, asViewer, addTab, inStep, place: this.#place });
  }

  #draw() {
    const page = this.store.state;
    if (this.#state) for (const card of this.#cards) card.render(this.#state, page);
    if (page.recording) this.#replay.render();
    else if (this.#state) this.#poll.render(this.#state, page, { now: this.shownNow });
    void this.#tools?.then((tools) => tools.render(this.#state));
    if (this.#state?.questions) {
      this.#questions ??= this.#loadQuestions();
      void this.#questions.then((questions) => questions.render(this.#state, this.store.state));
    }
  }
}
