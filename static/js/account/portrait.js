// The picture of oneself: chosen from the device, made small and square here, and sent at once.

import { csrfToken } from "../core/api.js";
import { byId, note } from "../parts/dom.js";
import { imageOf, smallOf } from "../parts/small_picture.js";

const PIXELS = 512;
const ADDRESS = "/api/v1/me/portrait";

const file = byId("portrait-file");
const problem = byId("portrait-error");

async function send(method, body) {
  const headers = { Accept: "application/json", "X-CSRFToken": csrfToken() };
  if (body) headers["Content-Type"] = body.type;
  const answer = await fetch(ADDRESS, { method, headers, body, credentials: "same-origin" });
  if (!answer.ok) throw new RangeError(`${answer.status}`);
  return answer.status === 204 ? "" : (await answer.json()).path;
}

function show(path) {
  byId("portrait").hidden = byId("portrait-remove").hidden = !path;
  byId("portrait-none").hidden = Boolean(path);
  if (path) byId("portrait").src = path;
}

async function change(work) {
  note(problem, "");
  try {
    show(await work());
  } catch {
    note(problem, problem.dataset.text);
  }
  file.value = "";
}

file.addEventListener("change", () => {
  const [chosen] = file.files;
  if (chosen) void change(async () => send("PUT", await smallOf(await imageOf(chosen), PIXELS, PIXELS)));
});
byId("portrait-choose").addEventListener("click", () => file.click());
byId("portrait-remove").addEventListener("click", () => void change(() => send("DELETE")));
byId("portrait-choose").disabled = byId("portrait-remove").disabled = false;
