// A new emoji of the channel: its picture is made small here, and sent. The list is drawn anew as the server has it.

import { ApiError } from "../core/api.js";
import { byId, note } from "../parts/dom.js";
import { imageOf, sendPicture, wholeOf } from "../parts/small_picture.js";

const PIXELS = 144; // there is more to make 72 of
const form = byId("emoji-form");

const problem = (text) => note(byId("emoji-error"), text);

async function drawAnew() {
  const answer = await fetch(location.pathname);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  byId("emoji-list").replaceWith(fresh.getElementById("emoji-list"));
}

async function add() {
  let picture;
  try {
    picture = await wholeOf(await imageOf(form.picture.files[0]), PIXELS);
  } catch {
    return problem(form.dataset.unusable);
  }
  try {
    await sendPicture(`/channels/${byId("main").dataset.channel}/emoji/${form.code.value}`, picture);
    form.reset();
    await drawAnew();
  } catch (error) {
    problem((error instanceof ApiError && error.detail) || form.dataset.unreachable);
  }
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem("");
  form.querySelector("button").disabled = true;
  await add();
  form.querySelector("button").disabled = false;
});
if (form) form.hidden = false;
