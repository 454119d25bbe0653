// Where one writes a comment or an answer; where nobody can write, why.

import { ApiError, call } from "../core/api.js";
import { newClientId, Sender } from "../core/sending.js";
import { translate } from "../core/words.js";
import { Composer } from "../parts/composer.js";
import { byId } from "../parts/dom.js";
import { reportTyping } from "../parts/typing.js";
import { Naming } from "./naming.js";
import { isOpen, mayComment } from "./state.js";

const TYPISTS_VIEWERS_MAX = 50;

/** The names of those who have written here, who wrote last first, but not the viewer's own. */
function namesOf({ comments, viewer, video }) {
  const others = [...comments.map(({ author }) => author), video.broadcaster].filter(({ id }) => id !== viewer?.id);
  return [...new Set(others.reverse().map(({ name }) => name))];
}

export class CommentForm {
  #form = byId("write");
  #composer;
  #replyTo = null;
  // The own comment that is being edited, with what was written here before.
  #edited = null;

  /** `sent()`: the viewer has sent one. */
  constructor({ store, sent }) {
    Object.assign(this, { store, sent });
    const { video, topic } = store.state;
    const path = `/videos/${video.id}`;
    this.#composer = new Composer(this.#form, {
      wait: "wait_comment",
      draft: () => (store.state.viewer ? `draft ${store.state.viewer.id} ${topic}` : ""),
      emoji: () => store.state.emoji,
      escape: () => this.#escape(),
      typing: reportTyping(() => (store.state.viewers.count <= TYPISTS_VIEWERS_MAX && isOpen(store.state) ? `${path}/typing` : "")),
      send: (text) => this.#send(text),
    });
    new Naming({ composer: this.#composer, names: () => namesOf(store.state), emoji: () => store.state.emoji });
    this.sender = new Sender({
      store,
      key: ({ id }) => `unsent ${id} ${topic}`,
      post: ({ clientId, body, replyTo }) =>
        call("POST", `${path}/comments`, { body, client_id: clientId, ...(replyTo && { reply_to: replyTo }) }),
      // Held: a moderator looks at it first.
      posted: (comment) => (comment.held ? this.complain(comment.held.detail) : store.dispatch("local_posted", { comment })),
      takesBack: (error, { body }) => this.#composer.takesBack(error, body),
    });
    byId("reply-stop").addEventListener("click", () => this.#escape());
  }

  complain(text) {
    this.#composer.complain(text);
  }

  /** Have an own comment say something else. */
  edit(comment) {
    this.#edited = { comment, draft: this.#edited?.draft ?? this.#composer.field.value };
    this.#setReplyTo(null);
    this.#composer.write(comment.body);
    this.#composer.field.focus();
  }

  /** Answer a comment, or none. */
  reply(comment) {
    this.#stopEditing();
    this.#setReplyTo(comment);
    this.#composer.field.focus();
  }

  render(state, before) {
    this.sender.save(state);
    // Nobody can answer what is deleted.
    if (this.#replyTo && state.gone.has(this.#replyTo.id)) this.#setReplyTo(null);
    if (this.#edited && state.gone.has(this.#edited.comment.id)) this.#stopEditing();
    // What was wrong was wrong with somebody else.
    if (before && state.viewer && state.viewer.id !== before.viewer?.id) this.complain("");
    if (state.video !== before?.video || state.viewer !== before?.viewer || state.over !== before?.over) this.#draw(state);
  }

  #send(text) {
    if (this.#edited) return void this.#sendEdited(text);
    const sent = { clientId: newClientId(), body: text, replyTo: this.#replyTo?.id ?? null, atMs: Date.now() };
    if (this.#replyTo) this.reply(null);
    this.sent();
    this.sender.send(sent);
  }

  async #sendEdited(text) {
    const { comment } = this.#edited;
    this.#stopEditing();
    try {
      const path = `/videos/${this.store.state.video.id}/comments/${comment.id}`;
      this.store.dispatch("local_edited", { comment: await call("PATCH", path, { body: text }) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.edit({ ...comment, body: text });
      this.#composer.complain(error.advice);
    }
  }

  #stopEditing() {
    if (!this.#edited) return;
    this.#composer.write(this.#edited.draft);
    this.#edited = null;
    this.#setReplyTo(null);
  }

  #escape() {
    if (!this.#replyTo && !this.#edited) return false;
    this.reply(null);
    return true;
  }

  #setReplyTo(comment) {
    this.#replyTo = comment ?? null;
    byId("replying").hidden = !comment && !this.#edited;
    byId("replying-text").textContent = comment ? translate("replying_to", { name: comment.author.name }) : this.#edited ? translate("editing") : "";
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
