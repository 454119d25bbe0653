// The picture of oneself: chosen from the device, made small and square here, and sent at once.

import { byId, note, paintFace } from "../parts/dom.js";
import { imageOf, sendPicture, smallOf } from "../parts/small_picture.js";

const PIXELS = 512;
const PATH = "/me/portrait";

const file = byId("portrait-file");
const problem = byId("portrait-error");

function show({ path = "" }) {
  byId("portrait").hidden = byId("portrait-remove").hidden = !path;
  byId("portrait-none").hidden = Boolean(path);
  if (path) byId("portrait").src = path;
  const [, id, picture] = /viewers\/([^/]+)\/portrait\?t=(\d+)/.exec(path) ?? [];
  const name = document.querySelector("[data-viewer-name]").textContent.trim();
  paintFace(document.querySelector("[data-viewer-face]"), { id, name, picture });
}

async function change(work) {
  note(problem, "");
  try {
    show(await work());
  } catch (error) {
    note(problem, error.status === 429 ? error.detail : problem.dataset.text);
  }
  file.value = "";
}

file.addEventListener("change", () => {
  const [chosen] = file.files;
  if (chosen) void change(async () => sendPicture(PATH, await smallOf(await imageOf(chosen), PIXELS, PIXELS)));
});
byId("portrait-choose").addEventListener("click", () => file.click());
byId("portrait-remove").addEventListener("click", () => void change(() => sendPicture(PATH)));
byId("portrait-choose").disabled = byId("portrait-remove").disabled = false;
