// Where one writes a comment or an answer; where nobody can write, why.

import { call } from "../core/api.js";
import { newClientId, Sender } from "../core/sending.js";
import { translate } from "../core/words.js";
import { Composer } from "../parts/composer.js";
import { byId } from "../parts/dom.js";
import { reportTyping } from "../parts/typing.js";
import { isOpen, mayComment } from "./state.js";

const TYPISTS_VIEWERS_MAX = 50;

export class CommentForm {
  #form = byId("write");
  #composer;
  #replyTo = null;

  /** `sent()`: the viewer has sent one. */
  constructor({ store, sent }) {
    Object.assign(this, { store, sent });
    const { video, topic } = store.state;
    const path = `/videos/${video.id}`;
    this.#composer = new Composer(this.#form, {
      wait: "wait_comment",
      draft: () => (store.state.viewer ? `draft ${store.state.viewer.id} ${topic}` : ""),
      escape: () => this.#escape(),
      typing: reportTyping(() => (store.state.viewers.count <= TYPISTS_VIEWERS_MAX && isOpen(store.state) ? `${path}/typing` : "")),
      send: (text) => this.#send(text),
    });
    this.sender = new Sender({
      store,
      key: ({ id }) => `unsent ${id} ${topic}`,
      post: ({ clientId, body, replyTo }) =>
        call("POST", `${path}/comments`, { body, client_id: clientId, ...(replyTo && { reply_to: replyTo }) }),
      // Held: a moderator looks at it first.
      posted: (comment) => (comment.held ? this.complain(comment.held.detail) : store.dispatch("local_posted", { comment })),
      takesBack: (error, { body }) => this.#composer.takesBack(error, body),
    });
    byId("reply-stop").addEventListener("click", () => this.reply(null));
  }

  complain(text) {
    this.#composer.complain(text);
  }

  /** Answer a comment, or none. */
  reply(comment) {
    this.#setReplyTo(comment);
    this.#composer.field.focus();
  }

  render(state, before) {
    this.sender.save(state);
    // Nobody can answer what is deleted.
    if (this.#replyTo && state.gone.has(this.#replyTo.id)) this.#setReplyTo(null);
    // What was wrong was wrong with somebody else.
    if (before && state.viewer && state.viewer.id !== before.viewer?.id) this.complain("");
    if (state.video !== before?.video || state.viewer !== before?.viewer || state.over !== before?.over) this.#draw(state);
  }

  #send(text) {
    const sent = { clientId: newClientId(), body: text, replyTo: this.#replyTo?.id ?? null, atMs: Date.now() };
    if (this.#replyTo) this.reply(null);
    this.sent();
    this.sender.send(sent);
  }

  #escape() {
    if (!this.#replyTo) return false;
    this.reply(null);
    return true;
  }

  #setReplyTo(comment) {
    this.#replyTo = comment ?? null;
    byId("replying").hidden = !comment;
    byId("replying-text").textContent = comment ? translate("replying_to", { name: comment.author.name }) : "";
  }

  #draw(state) {
    const { video, viewer, over } = state;
    const open = mayComment(state);
    const isClosed = video.status === "ended" && !video.comments_after_end;
    byId("closed-ended").hidden = !isClosed || over;
    byId("closed-off").hidden = video.comments_enabled || isClosed || over;
    byId("closed-over").hidden = !over;
    const isWriting = this.#form.contains(document.activeElement);
    byId("join").hidden = !open || Boolean(viewer);
    this.#form.hidden = !open || !viewer;
    if (isWriting && open && !viewer) byId("join-name").focus();
  }
}
