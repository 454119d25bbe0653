// One comment in the list: drawn from the page's state, and drawn again only when what it shows has changed.

import { translate } from "../core/words.js";
import { byId, paintFace, writeTime } from "../parts/dom.js";
import { offset } from "../parts/format.js";
import { paintPending } from "../parts/rows.js";
import { isOpen } from "./state.js";

const QUOTE_MAX = 60;

const shorten = (text) => (text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX - 1)}…` : text);

// item → what it was drawn from.
const drawnFrom = new WeakMap();

export const createComment = () => byId("comment-template").content.firstElementChild.cloneNode(true);

/** Draw a comment into its item, with the start of `parent`, which it answers. Text only. */
export function fillComment(item, comment, parent, state) {
  const inputs = [
    comment, parent, state.viewer?.id, state.canModerate, state.video.started_at_ms, state.video.comments_enabled, isOpen(state),
  ];
  if (drawnFrom.get(item)?.every((value, at) => value === inputs[at])) return;
  drawnFrom.set(item, inputs);
  const { author } = comment;
  const isMine = author.id === state.viewer?.id;
  item.dataset.id = comment.id ?? "";
  item.className = "comment";
  item.classList.toggle("mine", isMine);
  item.classList.toggle("is-pinned", Boolean(comment.pinned));
  paintPending(item, comment);
  paintFace(item.querySelector(".face"), author.name);
  item.querySelector(".comment-name").textContent = author.name;
  item.querySelector(".comment-body").textContent = comment.body;
  for (const badge of item.querySelectorAll(".role")) badge.hidden = badge.dataset.role !== author.role;
  item.querySelector(".you").hidden = !isMine;
  writeTime(item, comment.at_ms, offset(comment.at_ms, state.video.started_at_ms));
  fillQuote(item.querySelector(".quote"), comment, parent);
  fillTools(item, comment, isMine, state);
}

function fillQuote(quote, comment, parent) {
  quote.hidden = !comment.reply_to;
  if (!comment.reply_to) return;
  const text = quote.querySelector("span");
  if (!parent) {
    text.textContent = translate("earlier");
    return;
  }
  const name = document.createElement("bdi");
  name.textContent = parent.author.name;
  text.replaceChildren(name, `: ${shorten(parent.body)}`);
}

function fillTools(item, comment, isMine, state) {
  const { video, canModerate } = state;
  const may = {
    reply: video.comments_enabled && isOpen(state),
    message: !isMine && comment.id !== null,
    pin: canModerate && !comment.pinned,
    delete: canModerate || isMine,
  };
  const tools = [...item.querySelectorAll(".tool")];
  for (const tool of tools) tool.hidden = !may[tool.dataset.do];
  item.querySelector(".tools").hidden = tools.every((tool) => tool.hidden);
}
