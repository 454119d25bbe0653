// The recording of a broadcast that has ended: how long and large it is; watch, download, trim and delete it.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "../parts/dom.js";
import { duration } from "../parts/format.js";
import { Captions } from "./captions.js";

const EVERY_MS = 2_000;

/** Whether viewers can watch what was recorded. */
export const isRecorded = ({ id, status, playlist }) => status === "ended" && playlist === `/media/${id}/replay.m3u8`;

/** Seconds of a text like 1:02:30; NaN for anything else. */
function secondsOf(text) {
  if (!/^\d{1,3}(:[0-5]?\d){0,2}$/.test(text.trim())) return NaN;
  return text.trim().split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** The dialog. `changed(id)` is called when a video has lost its recording. */
export class RecordingDialog {
  #dialog = byId("recording-dialog");
  #question = byId("recording-gone-dialog");
  #from = byId("recording-from");
  #to = byId("recording-to");
  #changed;
  #id = "";
  #known = null;
  #captions = new Captions((work) => this.#ask(work));

  constructor(changed) {
    this.#changed = changed;
    byId("recording-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#checkTrim();
    });
    byId("recording-trim-yes").addEventListener("click", () => {
      byId("recording-trim-dialog").close();
      this.#trim();
    });
    byId("recording-make").addEventListener("click", () => void this.#ask(() => this.#make()));
    byId("recording-delete").addEventListener("click", () => this.#question.showModal());
    byId("recording-delete-yes").addEventListener("click", () => {
      this.#question.close();
      void this.#ask(() => this.#delete());
    });
  }

  /** Show the recording of a video. */
  open(id) {
    this.#id = id;
    byId("recording-watch").href = `/videos/${id}/`;
    byId("recording-facts").textContent = "";
    void this.#ask(async () => {
      this.#draw(await this.#call("GET"));
      this.#drawTimes();
      await this.#captions.open(id);
    });
    this.#dialog.showModal();
  }

  #call(method, rest = "", body = undefined) {
    return call(method, `/videos/${this.#id}/recording${rest}`, body);
  }

  /** Do something; what goes wrong is written into the dialog. */
  async #ask(work) {
    const problem = byId("recording-error");
    try {
      await work();
      note(problem, "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(problem, error.advice);
    }
  }

  #draw(found) {
    this.#known = found;
    const size = found.bytes < 1e9 ? `${Math.ceil(found.bytes / 1e6)} MB` : `${(found.bytes / 1e9).toFixed(1)} GB`;
    const facts = found.ready ? translate("recorded", { duration: duration(found.seconds), size }) : translate("no_recording");
    byId("recording-facts").textContent = found.is_making ? `${facts} · ${translate("file_making")}` : facts;
    for (const part of byId("recording-form").elements) part.disabled = !found.ready;
    const [make, file] = [byId("recording-make"), byId("recording-download")];
    make.hidden = found.download !== "";
    make.disabled = !found.ready || found.is_making;
    file.hidden = found.download === "";
    if (found.download) file.href = found.download;
    if (found.is_making) this.#lookAgain(this.#id);
  }

  #lookAgain(id) {
    setTimeout(() => {
      if (this.#dialog.open && this.#id === id) void this.#ask(async () => this.#draw(await this.#call("GET")));
    }, EVERY_MS);
  }

  get #length() {
    return Math.ceil((this.#known.to_ms - this.#known.from_ms) / 1000);
  }

  #drawTimes() {
    this.#from.value = duration(0);
    this.#to.value = duration(this.#length);
  }

  get #wanted() {
    return [this.#from, this.#to].map((field) => secondsOf(field.value));
  }

  /** Ask before anything is deleted; nothing is, if the times are as they were. */
  #checkTrim() {
    const [first, last] = this.#wanted;
    if (first < last) note(byId("recording-error"), "");
    else note(byId("recording-error"), translate("bad_trim"));
    if (first < last && (first > 0 || last < this.#length)) byId("recording-trim-dialog").showModal();
  }

  #trim() {
    const [first, last] = this.#wanted;
    void this.#ask(async () => {
      const { from_ms: start, to_ms: end } = this.#known;
      // The field has no parts of a second: left alone, it must not cut the end off.
      const until = last >= this.#length ? end : start + last * 1000;
      this.#draw(await this.#call("POST", "/trim", { from_ms: start + first * 1000, to_ms: until }));
      this.#drawTimes();
      toast(translate("trimmed"));
    });
  }

  async #make() {
    await this.#call("POST", "/download");
    this.#draw({ ...this.#known, is_making: true });
  }

  async #delete() {
    await this.#call("DELETE");
    this.#dialog.close();
    toast(translate("recording_deleted"));
    this.#changed(this.#id);
  }
}
