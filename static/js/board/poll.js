// The poll beside the picture: its options, and how they stand once one has voted.

import { ApiError, call } from "../core/api.js";
import { recall, remember } from "../core/storage.js";
import { broadcast, onBroadcast } from "../core/tabs.js";
import { plural, translate } from "../core/words.js";
import { byId, copyOf, note } from "../parts/dom.js";
import { compact, duration } from "../parts/format.js";
import { serverNow } from "../parts/page.js";
import { isOpen, standing } from "./state.js";

/** How long a result stays. */
const OVER_MS = 300_000;
const DISMISSED = "poll-dismissed";

const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
export class PollCard {
  #card = copyOf("poll-template");
  #shown = "";
  #board = null;
  #page = null;
  #now = serverNow;
  #isReplay = false;
  #isSending = false;

  /** `place`: where it stands; `asViewer(work)`: run it once the viewer has a name; `voted({poll, mine})`. */
  constructor({ place, asViewer, voted, refresh }) {
    Object.assign(this, { asViewer, voted, refresh });
    place.append(this.#card);
    this.#part("head").addEventListener("click", () => this.#fold(this.#part("head").getAttribute("aria-expanded") === "true"));
    this.#part("dismiss").addEventListener("click", () => {
      remember(DISMISSED, this.#shown);
      this.#draw();
    });
    onBroadcast("voted", (message) => this.voted(message));
    setInterval(() => this.#draw(), 1_000);
  }

  /** `now()`: the moment that is shown; `isReplay`: nobody votes, and how it stands is shown when it is over. */
  render(board, page, { now, isReplay = false }) {
    [this.#board, this.#page, this.#now, this.#isReplay] = [board, page, now, isReplay];
    this.#draw();
  }

  #part(name) {
    return this.#card.querySelector(`[data-poll="${name}"]`);
  }

  #fold(isFolded) {
    this.#part("head").setAttribute("aria-expanded", String(!isFolded));
    this.#part("body").hidden = isFolded;
  }

  #draw() {
    const poll = this.#board?.poll;
    const now = this.#now();
    const open = Boolean(poll) && isOpen(poll, this.#isReplay ? null : this.#page.video, now);
    const isLong = poll && !open && now - (poll.ends_at_ms ?? now) > OVER_MS;
    this.#card.hidden = !poll || isLong || (!open && recall(DISMISSED) === poll.id) || this.#page.over;
    if (this.#card.hidden) return;
    if (poll.id !== this.#shown) this.#begin(poll, open);
    const { total, options } = standing(this.#board);
    const { mine } = this.#board;
    // Votes go by the clock, also of those whose picture is behind.
    const leftMs = (poll.ends_at_ms ?? Infinity) - (this.#isReplay ? now : serverNow());
    const isResult = !open || (!this.#isReplay && (mine !== null || this.#page.may.includes("board")));
    this.#card.classList.toggle("is-over", !open);
    this.#part("dismiss").hidden = open;
    this.#part("votes").textContent = this.#isReplay && open ? "" : plural("votes", total, { shown: compact(total) });
    this.#part("left").textContent = open ? (leftMs === Infinity ? "" : duration(Math.ceil(Math.max(0, leftMs) / 1_000))) : translate("poll_over_short");
    const isShut = poll.is_for_accounts && this.#page.viewer?.is_guest;
    note(this.#part("note"), open && isShut && !this.#isReplay ? translate("accounts_only") : "");
    this.#drawOptions(options, { isResult, mine, canVote: open && leftMs > 0 && !this.#isReplay && mine === null && !isShut && !this.#isSending });
  }

  /** Another poll than before. */
  #begin(poll, open) {
    this.#shown = poll.id;
    this.#part("question").textContent = poll.question;
    note(this.#part("error"), "");
    this.#fold(false);
    this.#part("options").replaceChildren(...poll.options.map((option) => {
      const item = copyOf("poll-option-template");
      const button = item.querySelector("button");
      button.dataset.option = option.id;
      item.querySelector(".poll-text").textContent = option.text;
      button.addEventListener("click", () => this.#vote(option.id));
      return item;
    }));
    if (open) byId("announcements").textContent = translate("new_poll", { question: poll.question });
  }

  #drawOptions(options, { isResult, mine, canVote }) {
    for (const { id, votes, share } of options) {
      const button = this.#card.querySelector(`[data-option="${id}"]`);
      button.setAttribute("aria-pressed", String(mine === id));
      button.disabled = !canVote;
      button.classList.toggle("is-result", isResult);
      button.style.setProperty("--share", isResult ? share : 0);
      const text = isResult ? percent.format(share) : "";
      const shown = button.querySelector(".poll-share");
      if (shown.textContent !== text) shown.textContent = text;
      shown.title = isResult ? plural("votes", votes, { shown: votes }) : "";
    }
  }

  #vote(option) {
    const { id } = this.#board.poll;
    this.asViewer(() => void this.#send(id, option));
  }

  /** The same vote may be sent again: an answer that got lost does no harm. */
  async #send(poll, option) {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#draw();
    try {
      await call("PUT", `/videos/${this.#page.video.id}/polls/${poll}/vote`, { option });
      note(this.#part("error"), "");
      const message = { poll, mine: option };
      this.voted(message);
      broadcast("voted", message);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(this.#part("error"), ["voted", "poll_over", "banned", "timed_out"].includes(error.code) ? error.detail : error.advice);
      // On another device: what one has voted for there is shown.
      if (error.code === "voted") this.refresh();
    } finally {
      this.#isSending = false;
      this.#draw();
    }
  }
}
