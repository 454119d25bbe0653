// The form of a video: create and edit it, choose its picture for cards, delete it. One dialog.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "../parts/dom.js";
import { showDisk } from "./health.js";
import { Thumbnail } from "./thumbnail.js";

const CHOICES = ["comments_enabled", "comments_after_end", "starts_itself", "is_recorded"];

const localInput = (atMs) => new Date(atMs - new Date(atMs).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export class VideoForm {
  #dialog = byId("form-dialog");
  #form = byId("form");
  #problem = byId("f-error");
  #question = byId("delete-dialog");
  #thumbnail = new Thumbnail();
  #edited = null;

  /**
   * `changed(video)`: it is new, or different; `deleted(id)`. `pictureOf(id)`: the path of the picture that it has;
   * `pictured(id, path)`: it has another one.
   */
  constructor({ changed, deleted, pictureOf, pictured }) {
    Object.assign(this, { changed, deleted, pictureOf, pictured });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#form.elements.title.value.trim()) {
        void this.#save();
        return;
      }
      note(this.#problem, translate("no_title"));
      this.#form.elements.title.focus();
    });
    byId("f-delete").addEventListener("click", () => this.#question.showModal());
    byId("delete-yes").addEventListener("click", () => {
      this.#question.close();
      void this.#try(() => this.#delete());
    });
  }

  /** Open it for a video, null for a new one. `any`: a video of theirs, to ask how much room the disk has. */
  open(video, any = video) {
    this.#edited = video;
    const form = this.#form;
    form.reset();
    note(this.#problem, "");
    for (const part of this.#dialog.querySelectorAll("[data-for]")) part.hidden = (part.dataset.for === "edit") !== Boolean(video);
    this.#thumbnail.open(video ? this.pictureOf(video.id) : "");
    if (video) {
      const fields = form.elements;
      for (const name of ["title", "description", "visibility", "playlist"]) fields[name].value = video[name];
      for (const name of CHOICES) fields[name].checked = video[name];
      fields.starts_at.value = video.starts_at_ms === null ? "" : localInput(video.starts_at_ms);
    }
    void this.#loadSource(video);
    void showDisk(byId("f-disk"), any);
    this.#dialog.showModal();
    form.elements.title.focus();
  }

  /** Show where the picture is fetched from, which is in no other answer. Until it is known, it cannot be changed. */
  async #loadSource(video) {
    const field = this.#form.elements.source;
    if (!field) return;
    field.disabled = Boolean(video);
    if (!video) return;
    try {
      const { source } = await call("GET", `/videos/${video.id}/picture`);
      if (this.#edited?.id !== video.id) return;
      this.#edited = { ...this.#edited, source };
      field.value = source;
      field.disabled = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // It stays as it is.
    }
  }

  /** What the form says; of an edited video only what is different. */
  #entered() {
    const [fields, edited] = [this.#form.elements, this.#edited];
    const values = {
      title: fields.title.value.trim(),
      description: fields.description.value.trim(),
      visibility: fields.visibility.value,
      playlist: fields.playlist.value.trim(),
      ...(fields.source && !fields.source.disabled ? { source: fields.source.value.trim() } : {}),
      ...Object.fromEntries(CHOICES.map((name) => [name, fields[name].checked])),
    };
    // The field knows minutes only: left alone, it must not cut the seconds off.
    const kept = edited?.starts_at_ms != null && fields.starts_at.value === localInput(edited.starts_at_ms);
    values.starts_at_ms = kept ? edited.starts_at_ms : fields.starts_at.value ? new Date(fields.starts_at.value).getTime() : null;
    return Object.fromEntries(Object.entries(values).filter(([key, value]) => (edited ? edited[key] !== value : value !== null && value !== "")));
  }

  /** Do something; what goes wrong is written into the form. */
  async #try(work) {
    const buttons = this.#form.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    try {
      await work();
      note(this.#problem, "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(this.#problem, error.advice);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  #save() {
    return this.#try(async () => {
      const [values, isNew] = [this.#entered(), !this.#edited];
      if (isNew) this.#edited = await call("POST", "/videos", values);
      else if (Object.keys(values).length) this.#edited = { ...this.#edited, ...(await call("PATCH", `/videos/${this.#edited.id}`, values)) };
      const video = this.#edited;
      this.changed(video);
      // From here on it exists: if its picture is refused, the form goes on with it.
      const path = await this.#thumbnail.save(video.id);
      if (path !== null) this.pictured(video.id, path);
      this.#dialog.close();
      toast(translate(isNew ? "created" : "saved"));
    });
  }

  async #delete() {
    const { id } = this.#edited;
    await call("DELETE", `/videos/${id}`);
    this.#dialog.close();
    toast(translate("deleted"));
    this.deleted(id);
  }
}
