// The questions of viewers: a tab beside the comments, and the card of the one that is being answered. The list is asked for
// when somebody turns to it; board.js loads this file where viewers may ask, or could.

import { ApiError, call } from "../core/api.js";
import { newClientId } from "../core/sending.js";
import { broadcast, onBroadcast } from "../core/tabs.js";
import { translate } from "../core/words.js";
import { Composer } from "../parts/composer.js";
import { byId, copyOf, toast } from "../parts/dom.js";
import { AnsweringCard, answeredAt } from "./answering.js";
import { drawAnswered, QuestionList } from "./question-list.js";
import { again, apply, first } from "./question-state.js";

const AGAIN_MS = 3_000;
const TICK_MS = 500;
const NOTHING = { questions: [], votes: { total: 0, kinds: {} }, mine: [] };

const message = (error) => (["forbidden", ""].includes(error.code) || ![403, 409, 422].includes(error.status) ? error.advice : error.detail);

export class Questions {
  #state = null;
  #answered = null;
  #viewerId;
  #isAsking = false;
  #votesCast = 0;
  #isOpened = false;
  #board = null;
  #unsent = null;
  #card;
  #list;
  #form;

  /** `place`: the board's; `inStep(deliver)`: with the picture, where one wants it; `addTab(name, button, panel, opened)`: beside the comments. */
  constructor({ store, client, asViewer, place, addTab, inStep }) {
    Object.assign(this, { store, client, asViewer, inStep });
    this.#card = new AnsweringCard({ place, answered: (id) => void this.#act("answered", id) });
    addTab("questions", copyOf("questions-tab-template"), copyOf("questions-panel-template"), () => this.#open());
    const asViewers = { vote: (id) => this.#vote(id), report: (id) => this.#report(id) };
    this.#list = new QuestionList({
      act: (name, id) => (name in asViewers ? this.asViewer(() => void asViewers[name](id)) : void this.#act(name, id)),
    });
    this.#form = new Composer(byId("ask"), {
      wait: "wait_question",
      draft: () => `question ${store.state.topic}`,
      emoji: () => store.state.emoji,
      send: (text) => this.asViewer(() => void this.#send(text)),
    });
    byId("answered").addEventListener("toggle", ({ target }) => { if (target.open) void this.#readAnswered(); });
    onBroadcast("question_voted", (vote) => this.#happened("local_voted", vote));
    setInterval(() => { if (store.state.recording) this.#drawCard(); }, TICK_MS);
  }

  /** `board`: what board.js has; its `questions` is what this is about. */
  render(board, page) {
    const isOther = page.viewer?.id !== this.#viewerId;
    this.#viewerId = page.viewer?.id;
    if (isOther && this.#state) {
      this.#state = { ...this.#state, mine: [] };
      void this.#ask();
    }
    this.#board = board;
    this.#draw();
  }

  get #path() {
    return `/videos/${this.store.state.video.id}/questions`;
  }

  #open() {
    this.#isOpened = true;
    if (!this.#state) void this.#ask();
    if (!this.#answered) void this.#readAnswered();
    if (this.store.state.video.status === "ended") byId("answered").open = true;
  }

  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const [asked, votesCast] = [this.#viewerId, this.#votesCast];
    try {
      const answer = first(await call("GET", this.#path, undefined, { quietly: true }));
      const isFirst = this.#state === null;
      this.#state = isFirst ? answer : again(this.#state, answer, this.#mineOf(answer, votesCast));
      if (isFirst) this.#follow(answer.topic);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passing) setTimeout(() => void this.#ask(), AGAIN_MS * (1 + Math.random()));
    } finally {
      this.#isAsking = false;
    }
    // An answer that a vote has overtaken does not know it.
    if (asked !== this.#viewerId || votesCast !== this.#votesCast) void this.#ask();
    this.#draw();
  }

  #follow(topic) {
    this.client.watch(topic, { has: () => this.#state, deliver: this.inStep((name, data) => this.#happened(name, data)) });
  }

  #mineOf(answer, votesCast) {
    return votesCast === this.#votesCast ? answer.mine : this.#state.mine;
  }

  #happened(name, data) {
    if (name === "local_voted") this.#votesCast += 1;
    if (!this.#state) return;
    this.#state = apply(this.#state, name, data);
    if (name === "question_gone" && this.#answered) this.#readAnsweredSoon();
    this.#draw();
  }

  // What was answered

  async #readAnswered() {
    this.#answered ??= [];
    try {
      this.#answered = (await call("GET", `${this.#path}/answered`, undefined, { quietly: true })).items;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passing) setTimeout(() => void this.#readAnswered(), AGAIN_MS * (1 + Math.random()));
    }
    this.#drawAnswered();
  }

  /** A question is gone: answered, or deleted. Who has the list open sees it at once, others the list as such. */
  #readAnsweredSoon() {
    if (byId("answered").open || this.store.state.recording) void this.#readAnswered();
    else if (!this.#answered.length) setTimeout(() => void this.#readAnswered(), AGAIN_MS * Math.random());
  }

  #drawAnswered() {
    const page = this.store.state;
    const { video, recording, may } = page;
    const has = (ms) => ms !== null && recording?.has(ms);
    const goTo = ({ answering_at_ms: ms }) => (has(ms) ? () => { byId("picture").currentTime = recording.secondOf(ms); } : null);
    const putBack = may.includes("board") && video.status !== "ended" ? (id) => void this.#act("open", id) : null;
    drawAnswered(byId("answered-list"), this.#answered, { page, goTo, putBack });
    byId("answered").hidden = this.#answered.length === 0;
  }

  // What is drawn

  #draw() {
    const page = this.store.state;
    const { video, over } = page;
    const isOpen = Boolean(this.#board?.questions?.is_open) && video.status !== "ended" && !over;
    byId("ask").hidden = !isOpen;
    byId("ask-closed").hidden = isOpen;
    byId("ask-closed").textContent = translate(video.status === "ended" || over ? "questions_ended" : "questions_off");
    if (this.#isOpened && this.#state) this.#list.render(this.#state, page);
    else byId("no-questions").hidden = true;
    this.#drawCard();
  }

  #drawCard() {
    const page = this.store.state;
    if (!page.recording) return this.#card.render(this.#board?.questions?.answering ?? null, page);
    if (!this.#answered) {
      void this.#readAnswered();
      return this.#card.render(null, page);
    }
    const ms = page.recording.momentAt(byId("picture").currentTime);
    return this.#card.render(ms === null ? null : answeredAt(this.#answered, ms), page);
  }

  // What one does

  async #send(body) {
    // The same text again is the same question: an answer that got lost does no harm.
    if (this.#unsent?.body !== body) this.#unsent = { body, client_id: newClientId() };
    try {
      const question = await call("POST", this.#path, this.#unsent);
      this.#unsent = null;
      if (this.#stands(body)) this.#form.write("");
      if (question.held) return this.#form.complain(question.held.detail);
      this.#happened("local_asked", { question });
      byId("question-list").lastElementChild?.scrollIntoView({ block: "nearest" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.#form.takesBack(error, body)) return;
      if (error.passing) this.#sendLater(body);
      else if (error.status !== 429) this.#form.complain(message(error));
    }
  }

  /** Send again what nobody answered, as long as it stands in its field. */
  #sendLater(body) {
    this.#form.complain(translate("waits"));
    setTimeout(() => { if (this.#stands(body)) void this.#send(body); }, AGAIN_MS * (1 + Math.random()));
  }

  #stands(body) {
    return this.#form.field.value.trim() === body;
  }

  async #vote(id) {
    const isFor = !(this.#state ?? NOTHING).mine.includes(id);
    try {
      const { mine } = await call(isFor ? "PUT" : "DELETE", `${this.#path}/${id}/vote`);
      this.#happened("local_voted", { id, mine });
      broadcast("question_voted", { id, mine });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(message(error));
    }
  }

  async #report(id) {
    const found = this.#state.questions.find((each) => each.id === id);
    try {
      const { report } = await import("../parts/complaint.js");
      if (found) report("question", found, this.store.state.video);
    } catch {
      // Not loaded: the next press tries again.
      toast(translate("unreachable"));
    }
  }

  async #act(name, id) {
    try {
      if (name === "delete") await call("DELETE", `${this.#path}/${id}`);
      else await call("PUT", `${this.#path}/${id}/state`, { state: name });
      if (this.#answered) void this.#readAnswered();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(message(error));
    }
  }
}
