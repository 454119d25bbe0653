// What every page does: the appearance, and times in the viewer's own time zone.

import "./theme.js";
import { moment } from "./format.js";

const LATE_MS = 60_000;

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
