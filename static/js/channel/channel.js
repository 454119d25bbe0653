// The page of a channel: follow it, hear when it goes live, share it. Its videos are the server's to draw.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { byId, note, shareLink } from "../parts/dom.js";
import { Follow } from "../parts/follow.js";
import { compact } from "../parts/format.js";
import "../parts/page.js";

const page = byId("main");
const [button, alerts] = [byId("follow"), byId("alerts")];
const count = document.querySelector("[data-followers]");

let isFollowing = button?.getAttribute("aria-pressed") === "true";
let followers = Number(count.dataset.followers);
let isNamed = "named" in page.dataset;

function drawn(follow) {
  if (Boolean(follow) !== isFollowing) {
    isFollowing = Boolean(follow);
    followers += isFollowing ? 1 : -1;
    count.textContent = compact(followers);
    document.querySelector("[data-followers-word]").textContent = plural("followers_word", followers);
  }
  button.setAttribute("aria-pressed", String(isFollowing));
  button.classList.toggle("main", !isFollowing);
  alerts.hidden = !isFollowing;
  alerts.setAttribute("aria-pressed", String(Boolean(follow?.alerts)));
}

if (button) {
  const follow = new Follow({
    channelId: page.dataset.channel,
    follow: isFollowing ? { alerts: alerts.getAttribute("aria-pressed") === "true" } : null,
    drawn,
    failed: (text) => note(byId("follow-error"), text),
  });
  button.disabled = false;
  button.addEventListener("click", () => {
    if (isNamed) void follow.toggle();
    else byId("guest-dialog").showModal();
  });
  alerts.addEventListener("click", () => void follow.setAlerts(!follow.follow.alerts));
  document.querySelector("[data-guest]").addEventListener("submit", (event) => {
    event.preventDefault();
    void join(event.currentTarget, follow);
  });
}

/** Become a guest, and follow. */
async function join(form, follow) {
  const [field, error] = [form.elements.name, form.querySelector(".error")];
  try {
    await call("POST", "/guests", { name: field.value.trim() });
    isNamed = true;
    byId("guest-dialog").close();
    await follow.toggle();
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    note(error, problem.status === 422 && problem.detail ? problem.detail : problem.advice);
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

for (const close of document.querySelectorAll("[data-close]")) close.addEventListener("click", () => close.closest("dialog").close());
byId("share").addEventListener("click", () => void shareLink(location.origin + location.pathname, document.querySelector("h1").textContent));
