// What every page does: the appearance, and times in the viewer's own time zone.

import { moment } from "./format.js";

const LATE_MS = 60_000;
const YEAR_SECONDS = 31_536_000;

// The viewer's own clock may be minutes off.
const skewMs = Number(document.querySelector("[data-now-ms]")?.dataset.nowMs ?? Date.now()) - Date.now();
export const serverNow = () => Date.now() + skewMs;

/** Whether a planned start has passed, by more than a moment. */
export const isLate = (startsAtMs) => startsAtMs !== null && serverNow() - startsAtMs > LATE_MS;

/** Write the times inside an element in the viewer's own time zone; show which planned starts have passed. */
export function localise(element) {
  for (const time of element.querySelectorAll("time[data-moment][datetime]")) time.textContent = moment(Date.parse(time.dateTime));
  for (const late of element.querySelectorAll("[data-late]")) late.hidden = !isLate(Number(late.dataset.late));
}

localise(document);

// The appearance: light, dark, or as the system has it. Kept in a cookie, which the server writes into the page: no flash of
// the other. Without a choice a watch page is dark.

function setTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
}

const choices = document.querySelector("[data-themes]");
if (choices) {
  choices.disabled = false;
  choices.querySelector(`input[value="${document.documentElement.dataset.theme ?? "system"}"]`).checked = true;
  choices.addEventListener("change", (event) => setTheme(event.target.value));
}
