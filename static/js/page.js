// What every page does: the appearance, and times in the viewer's own time zone.

import "./theme.js";
import { moment } from "./format.js";

for (const time of document.querySelectorAll("time[data-moment][datetime]")) time.textContent = moment(Date.parse(time.dateTime));
