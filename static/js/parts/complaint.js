// What a viewer reports to the moderators: a comment, a question, or its author, why, and what they should know. Loaded when
// it is first used.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "./dom.js";

const dialog = byId("report-dialog");
const form = byId("report-form");
let paths;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void send();
});

/** Ask what and why, about a text of the video. `kind`: comment, question. */
export function report(kind, { id, author, body }, video) {
  paths = {
    text: `/videos/${video.id}/${kind}s/${id}/report`,
    person: `/channels/${video.broadcaster.id}/people/${author.id}/report`,
  };
  form.reset();
  byId("report-body").textContent = body;
  for (const label of form.querySelectorAll("[data-kind]")) label.hidden = label.dataset.kind !== kind;
  note(byId("report-error"), "");
  dialog.showModal();
}

async function send() {
  const { about, reason, remark } = form.elements;
  byId("report-send").disabled = true;
  try {
    await call("POST", paths[about.value], { reason: reason.value, remark: remark.value });
    dialog.close();
    toast(translate("thank_reporter"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    note(byId("report-error"), error.advice);
  } finally {
    byId("report-send").disabled = false;
  }
}
