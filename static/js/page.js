// What every page does: the appearance, and times in the viewer's own time zone.

import "./theme.js";
import { moment } from "./format.js";

/** Write the times inside an element in the viewer's own time zone. */
export function localise(element) {
  for (const time of element.querySelectorAll("time[data-moment][datetime]")) time.textContent = moment(Date.parse(time.dateTime));
}

localise(document);
