// The numbers in the head of every page: what was said to the viewer, and their unread messages.

import { capped } from "../parts/format.js";
import { unreadOf } from "./state.js";

function count(id, number) {
  const badge = document.getElementById(id);
  if (!badge) return; // the watch page has its messages beside the picture
  badge.hidden = number === 0;
  badge.textContent = capped(number);
}

/** Show the numbers of an inbox (state.js). */
export function drawBell(state) {
  count("bell-count", state.inbox.notices.unread);
  count("menu-count", unreadOf(state));
}
