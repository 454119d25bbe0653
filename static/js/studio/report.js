// The report on a broadcast: the server has written it, here its curves are drawn.

import { byId } from "../parts/dom.js";
import { duration } from "../parts/format.js";
import "../parts/page.js";
import { Plots } from "./plots.js";

const { points, step_ms: stepMs, from_ms: fromMs, moments } = JSON.parse(byId("report").textContent);

if (points.length) {
  byId("plots").hidden = false;
  const timeOf = (atMs) => duration(Math.max(0, atMs - fromMs) / 1_000);
  new Plots(byId("plots"), { timeOf, isLive: false }).draw(points, stepMs, moments.map(({ at_ms: atMs }) => atMs));
}
