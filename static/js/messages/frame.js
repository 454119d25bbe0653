// Where the inbox is on its own page: the address says which conversation is open; where there is room, the list stays
// beside it. See ../inbox/inbox.js.

import { translate } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { capped } from "../parts/format.js";

const HOME = "/messages/";
const wide = matchMedia("(min-width: 800px)");

/** The id of the conversation in the address, "" for none. */
export const idInAddress = () => /^\/messages\/([0-9a-f-]{36})\/$/.exec(location.pathname)?.[1] ?? "";

export class PageFrame {
  isShown = true;

  get isBeside() {
    return wide.matches;
  }

  get entry() {
    return byId("new-conversation");
  }

  begin({ changed }) {
    wide.addEventListener("change", changed);
  }

  show() { /* It is in view. */ }

  openBefore() {
    return idInAddress();
  }

  opened(viewer, id) {
    const address = id ? `${HOME}${id}/` : HOME;
    if (location.pathname !== address) history.pushState(null, "", address);
  }

  drawUnread(unread) {
    document.title = unread ? `(${capped(unread)}) ${translate("messages")}` : translate("messages");
  }
}
