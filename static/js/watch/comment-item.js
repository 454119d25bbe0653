// One comment of the list: what is drawn of it, from what, and what can be done with it. Text only.

import { plural, translate } from "../core/words.js";
import { byId, paintFace, writeTime } from "../parts/dom.js";
import { compact, duration, offset } from "../parts/format.js";
import { linkTo } from "../parts/links.js";
import { paintPending } from "../parts/list.js";
import { pictureOf, written } from "../parts/own-emoji.js";
import { mayAct, mayModerate } from "../parts/rights.js";
import { mentions, pieces } from "./mentions.js";
import { isLater, mayComment } from "./state.js";

const QUOTE_MAX = 60;
const EDIT_MS = 300_000;

const shorten = (text) => (text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX - 1)}…` : text);

// item → what it was drawn from.
const drawnFrom = new WeakMap();

export const createComment = () => byId("comment-template").content.firstElementChild.cloneNode(true);

/** When a comment was written: how far into the broadcast, or into the recording that plays. */
function placeOf(comment, { recording, video }) {
  const { at_ms: atMs } = comment;
  if (isLater(video, comment)) return translate("after_broadcast");
  if (recording) return recording.has(atMs) ? duration(recording.secondOf(atMs)) : "";
  return offset(atMs, video.started_at_ms);
}

/** Whether somebody else says something to the viewer: names them, or answers them. */
export const isForViewer = ({ author, body }, parent, viewer) =>
  Boolean(viewer) && author.id !== viewer.id && (parent?.author.id === viewer.id || mentions(body, viewer.name));

/** What the viewer may do with a comment that has so many answers, by the names of the acts. */
export function actsWith(comment, answers, { viewer, may, outranksModerators, ...state }) {
  const isMine = comment.author.id === viewer?.id;
  const moderated = ["delete", "time_out", "ban", "moderate"].map((act) => [act, mayModerate({ may, viewer, outranksModerators }, act, comment)]);
  return {
    reply: mayComment(state),
    thread: Boolean(comment.reply_to) || answers > 0,
    edit: isMine && mayComment(state) && Date.now() < comment.at_ms + EDIT_MS,
    versions: mayAct({ may }, "versions") && Boolean(comment.edited_at_ms),
    message: !isMine && comment.id !== null,
    copy: true,
    // Who moderates acts on it, or not.
    report: !isMine && comment.id !== null && !may.includes("delete"),
    pin: may.includes("pin") && !comment.pinned,
    ...Object.fromEntries(moderated),
    ...(isMine && { delete: true }),
  };
}

/** Draw a comment into its item, with the start of `parent`, which it answers, and the number of its own answers. */
export function fillComment(item, { comment, parent, answers }, state) {
  const inputs = [
    comment, parent, answers, state.viewer?.id, state.viewer?.name, state.video.started_at_ms, state.video.ended_at_ms,
    mayComment(state), state.recording, state.emoji,
  ];
  if (drawnFrom.get(item)?.every((value, at) => value === inputs[at])) return;
  drawnFrom.set(item, inputs);
  const { author } = comment;
  const isMine = author.id === state.viewer?.id;
  item.dataset.id = comment.id ?? "";
  item.className = "comment";
  item.classList.toggle("mine", isMine);
  item.classList.toggle("for-me", isForViewer(comment, parent, state.viewer));
  item.classList.toggle("is-pinned", Boolean(comment.pinned));
  paintPending(item, comment);
  paintFace(item.querySelector(".face"), author);
  item.querySelector(".comment-name").textContent = author.name;
  fillBody(item.querySelector(".comment-body"), comment.body, { name: state.viewer?.name, emoji: state.emoji });
  for (const badge of item.querySelectorAll(".role")) badge.hidden = badge.dataset.role !== author.role;
  item.querySelector(".you").hidden = !isMine;
  writeTime(item, comment.at_ms, placeOf(comment, state));
  item.querySelector(".edited").hidden = !comment.edited_at_ms;
  const count = item.querySelector(".answers");
  count.hidden = !answers;
  if (answers) count.textContent = plural("answers", answers, { shown: compact(answers) });
  fillQuote(item.querySelector(".quote"), comment, parent, state.emoji);
  item.querySelector("[data-do=reply]").hidden = !mayComment(state);
}

/** Write a text with its links and emoji, and with the viewer's name marked. */
function fillBody(element, body, { name, emoji }) {
  element.replaceChildren(...pieces(body, name, emoji).map(({ text, isAddress, isMention, code }) => {
    if (code) return pictureOf(code, emoji);
    if (isAddress) return linkTo(text);
    return isMention ? Object.assign(document.createElement("mark"), { textContent: text }) : text;
  }));
}

function fillQuote(quote, comment, parent, emoji) {
  quote.hidden = !comment.reply_to;
  if (!comment.reply_to) return;
  const text = quote.querySelector("span");
  if (!parent) {
    text.textContent = translate("earlier");
    return;
  }
  const name = document.createElement("bdi");
  name.textContent = parent.author.name;
  text.replaceChildren(name, ": ", ...written(shorten(parent.body), emoji));
}
