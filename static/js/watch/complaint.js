// What a viewer reports to the moderators: a comment, why, and what they should know. The menu of a comment loads it when it
// is first used.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "../parts/dom.js";

const dialog = byId("report-dialog");
const form = byId("report-form");
let path;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void send();
});

/** Ask why. `comments`: the path of the video's comments. */
export function report({ id, body }, comments) {
  path = `${comments}/${id}/report`;
  form.reset();
  byId("report-body").textContent = body;
  note(byId("report-error"), "");
  dialog.showModal();
}

async function send() {
  const { reason, remark } = form.elements;
  byId("report-send").disabled = true;
  try {
    await call("POST", path, { reason: reason.value, remark: remark.value });
    dialog.close();
    toast(translate("thank_reporter"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    note(byId("report-error"), error.advice);
  } finally {
    byId("report-send").disabled = false;
  }
}
