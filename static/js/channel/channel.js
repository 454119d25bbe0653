// The page of a channel: follow it, hear when it goes live, share it. Its videos are the server's to draw.

import { ApiError, call } from "../core/api.js";
import { plural } from "../core/words.js";
import { byId, note, shareLink } from "../parts/dom.js";
import { Follow } from "../parts/follow.js";
import { compact } from "../parts/format.js";
import "../parts/page.js";
import { keepPush } from "../parts/push.js";

const page = byId("main");
const [button, bell, dialog] = [byId("follow"), byId("alerts"), byId("guest-dialog")];
const count = document.querySelector("[data-followers]");

let followers = Number(count.dataset.followers);
let isNamed = "named" in page.dataset;
let waiting = null;

function asViewer(work) {
  if (isNamed) return void work();
  waiting = work;
  dialog.showModal();
}

function counted(isFollowing) {
  followers += isFollowing ? 1 : -1;
  count.textContent = compact(followers);
  document.querySelector("[data-followers-word]").textContent = plural("followers_word", followers);
}

/** Become a guest, and do what had to wait for that. */
async function join(form) {
  const [field, error] = [form.elements.name, form.querySelector(".error")];
  try {
    await call("POST", "/guests", { name: field.value.trim() });
    isNamed = true;
    dialog.close();
    waiting();
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    note(error, [409, 422].includes(problem.status) && problem.detail ? problem.detail : problem.advice);
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

if (button) {
  const [isFollowing, alerts] = [button, bell].map((each) => each.getAttribute("aria-pressed") === "true");
  const says = (text) => note(byId("follow-note"), text);
  const follow = new Follow({ channelId: page.dataset.channel, button, bell, asViewer, says });
  follow.show(isFollowing ? { alerts } : null);
  follow.changed = counted;
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void join(event.currentTarget);
  });
}
for (const close of document.querySelectorAll("[data-close]")) close.addEventListener("click", () => close.closest("dialog").close());
byId("share").addEventListener("click", () => void shareLink(location.origin + location.pathname, document.querySelector("h1").textContent));
if (isNamed) void keepPush();
