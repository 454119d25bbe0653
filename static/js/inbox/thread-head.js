// The head of the open conversation: who is in it, when they were last here, and its menu.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { byId, isolated, note, placeAt, toast } from "../parts/dom.js";
import { ago } from "../parts/format.js";
import { nameOf, paintConversation } from "./people.js";
import { isBlocked, partnerOf } from "./state.js";

const JUST_NOW_MS = 60_000;

export class ThreadHead {
  #menu = byId("thread-menu");
  #dialog = byId("leave-dialog");

  /** `left()`: the viewer has left the conversation; `field`: where one writes. */
  constructor({ store, field, left }) {
    Object.assign(this, { store, field, left });
    this.#menu.addEventListener("toggle", (event) => { if (event.newState === "open") placeAt(byId("thread-more"), this.#menu); });
    byId("block").addEventListener("click", () => void this.#block(true));
    for (const id of ["unblock", "unblock-here"]) byId(id).addEventListener("click", () => void this.#block(false));
    byId("leave").addEventListener("click", () => {
      this.#menu.hidePopover();
      this.#dialog.showModal();
    });
    byId("leave-yes").addEventListener("click", () => {
      this.#dialog.close();
      void this.#leave();
    });
  }

  get isMenuOpen() {
    return this.#menu.matches(":popover-open");
  }

  render(state) {
    const { thread: { conversation }, viewer, presence } = state;
    const partner = partnerOf(conversation, viewer);
    paintConversation(byId("thread-face"), conversation, { viewer, presence });
    byId("thread-name").textContent = nameOf(conversation, viewer);
    const known = partner && presence[partner.id];
    note(byId("thread-status"), conversation.is_group ? sizeOf(conversation) : known ? whenActive(known) : "");
    const blocked = Boolean(partner) && isBlocked(state, partner.id);
    byId("block").hidden = !partner || blocked;
    byId("unblock").hidden = !blocked;
    byId("leave").hidden = !conversation.is_group;
    byId("is-blocked").hidden = !blocked;
    note(byId("blocked-text"), blocked ? translate("you_block", { name: isolated(partner.name) }) : "");
  }

  #block(is) {
    return this.#act(async () => {
      const { thread, viewer } = this.store.state;
      const { id } = partnerOf(thread.conversation, viewer);
      await call(is ? "PUT" : "DELETE", `/blocks/${id}`);
      this.store.dispatch("local_blocked", { id, is });
      this.store.draw();
      (is ? byId("unblock-here") : this.field).focus();
    });
  }

  #leave() {
    return this.#act(async () => {
      const { thread, viewer } = this.store.state;
      await call("DELETE", `/conversations/${thread.conversation.id}/members/${viewer.id}`);
      this.left();
    });
  }

  async #act(work) {
    this.#menu.hidePopover();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.advice);
    }
  }
}

// Where there is no title, the name says already that nobody else is there.
const sizeOf = ({ members, title }) => (members.length > 1 ? plural("members", members.length) : title ? translate("only_you") : "");

function whenActive({ status, last_active_ms: at }) {
  if (status === "online") return translate("online");
  if (!at) return "";
  return Date.now() - at < JUST_NOW_MS ? translate("active_just_now") : translate("last_active", { ago: ago(at) });
}
