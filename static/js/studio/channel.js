// What a broadcaster says of their channel: read when the studio opens, saved by a press.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "../parts/dom.js";

const form = byId("channel-form");

if (form) {
  const path = `/channels/${form.dataset.channel}`;
  const [fields, error] = [form.elements, byId("channel-error")];

  const show = (channel) => {
    fields.handle.value = channel.handle ?? "";
    fields.about.value = channel.about;
    byId("channel-open").href = channel.path;
  };

  const refused = (problem) => {
    if (!(problem instanceof ApiError)) throw problem;
    note(error, problem.status === 422 || problem.status === 409 ? problem.detail : problem.advice);
    if (["bad_handle", "reserved", "handle_taken"].includes(problem.code)) fields.handle.setAttribute("aria-invalid", "true");
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      show(await call("PATCH", path, { handle: fields.handle.value, about: fields.about.value }));
      note(error, "");
      fields.handle.removeAttribute("aria-invalid");
      toast(translate("channel_saved"));
    } catch (problem) {
      refused(problem);
    }
  });

  try {
    show(await call("GET", path));
  } catch (problem) {
    refused(problem);
  }
  for (const field of fields) field.disabled = false;
}
