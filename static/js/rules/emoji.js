// A new emoji of the channel: its picture is made small here, and sent. The list is drawn anew as the server has it.

import { csrfToken } from "../core/api.js";
import { byId, note } from "../parts/dom.js";
import { imageOf, wholeOf } from "../parts/small_picture.js";

const PIXELS = 144; // there is more to make 72 of
const form = byId("emoji-form");

const problem = (text) => note(byId("emoji-error"), text);

/** What the server says against it, "" for nothing. */
async function sent(code, picture) {
  const path = `/api/v1/channels/${byId("main").dataset.channel}/emoji/${code}`;
  const headers = { Accept: "application/json", "Content-Type": picture.type, "X-CSRFToken": csrfToken() };
  const answer = await fetch(path, { method: "PUT", headers, body: picture, credentials: "same-origin" });
  return answer.ok ? "" : (await answer.json()).detail;
}

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
    const refusal = await sent(form.code.value, picture);
    if (refusal) return problem(refusal);
    form.reset();
    await drawAnew();
  } catch {
    problem(form.dataset.unreachable);
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
