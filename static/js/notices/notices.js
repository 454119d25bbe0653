// The page of what was said to the viewer. The server draws the list; when something comes it is asked for again. What is
// in view is seen, on all devices. On this page it stays marked as new.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { localise } from "../parts/page.js";
import { followBell } from "./follow.js";

const box = byId("notices");
const fresh = new Set();
let seenMs = 0;
let asked = Promise.resolve();

function mark() {
  for (const item of box.querySelectorAll("li.is-new")) fresh.add(item.dataset.id);
  for (const item of box.querySelectorAll("li")) item.classList.toggle("is-new", fresh.has(item.dataset.id));
}

async function see() {
  const untilMs = Number(box.querySelector("[data-until-ms]")?.dataset.untilMs ?? 0);
  if (document.hidden || untilMs <= seenMs || !box.querySelector("li.is-new")) return;
  try {
    await call("PUT", "/me/notices/seen", { until_ms: untilMs }, { quietly: true });
    seenMs = untilMs;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The next look tries again.
  }
}

async function refresh() {
  try {
    const response = await fetch(location.pathname, { credentials: "same-origin" });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    box.replaceChildren(...page.getElementById("notices").childNodes);
  } catch { /* The next event asks again. */ }
  mark();
  localise(box);
  await see();
}

mark();
void see();
document.addEventListener("visibilitychange", () => void see());
followBell(() => { asked = asked.then(refresh); });
