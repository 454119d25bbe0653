// Plots of viewers, likes and comments over time, as lines with the area under them, in the colours of the page. They do
// not move but for what is new. Touches its figures alone (templates/videos/studio/_plots.html).

import { translate } from "../core/words.js";
import { compact } from "../parts/format.js";
import { perMinute } from "./series.js";

const [WIDTH, HEIGHT, TOP] = [600, 120, 6];
const NAMES = ["viewers", "likes", "comments"];

/** The lines through values that are equally far apart, and round the area under them; `highest` touches the top. */
export function pathsOf(values, highest) {
  const across = WIDTH / Math.max(1, values.length - 1);
  const heights = values.map((value) => Math.round((HEIGHT - (value / highest) * (HEIGHT - TOP)) * 10) / 10);
  const points = heights.map((height, at) => `${Math.round(at * across * 10) / 10} ${height}`);
  if (points.length === 1) points.push(`${WIDTH} ${heights[0]}`);
  const line = `M${points.join("L")}`;
  return { line, area: `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` };
}

const shown = (value) => compact(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));

export class Plots {
  #figures;
  #places = [];
  #values = {};

  /** `timeOf(atMs)`: how a moment is written; `isLive`: what is now counts most. */
  constructor(root, { timeOf, isLive }) {
    Object.assign(this, { timeOf, isLive });
    this.#figures = new Map(NAMES.map((name) => [name, root.querySelector(`[data-plot="${name}"]`)]));
    for (const [name, figure] of this.#figures) this.#followPointer(name, figure);
  }

  /** Draw the points of a timeline. `marks`: moments at which a line goes up. */
  draw(points, stepMs, marks = []) {
    this.#places = points.map(({ at_ms: atMs }) => atMs);
    const [first, last] = [this.#places[0], this.#places.at(-1)];
    const up = marks.map((atMs) => `M${Math.round(((atMs - first) / Math.max(1, last - first)) * WIDTH)} 0V${HEIGHT}`).join("");
    this.#values = {
      viewers: points.map(({ viewers }) => viewers),
      likes: perMinute(points, stepMs, "likes"),
      comments: perMinute(points, stepMs, "comments"),
    };
    for (const [name, figure] of this.#figures) {
      this.#drawOne(figure, this.#values[name]);
      figure.querySelector(".plot-marks").setAttribute("d", up);
    }
  }

  #drawOne(figure, values) {
    const most = Math.max(0, ...values);
    const { line, area } = pathsOf(values, Math.max(1, most));
    figure.querySelector(".plot-line").setAttribute("d", line);
    figure.querySelector(".plot-area").setAttribute("d", area);
    const text = translate(this.isLive ? "plot_now" : "plot_most", { now: shown(values.at(-1)), most: shown(most) });
    figure.querySelector("[data-now]").textContent = text;
    figure.querySelector("[data-from]").textContent = this.timeOf(this.#places[0]);
    figure.querySelector("[data-to]").textContent = this.timeOf(this.#places.at(-1));
    const name = figure.querySelector("figcaption span").textContent;
    figure.querySelector("svg").setAttribute("aria-label", `${name}: ${text}`);
  }

  #followPointer(name, figure) {
    const [svg, read] = [figure.querySelector("svg"), figure.querySelector("[data-read]")];
    svg.addEventListener("pointermove", ({ clientX }) => {
      const { left, width } = svg.getBoundingClientRect();
      const at = Math.round(((clientX - left) / width) * (this.#places.length - 1));
      const value = this.#values[name]?.[at];
      if (value !== undefined) read.textContent = `${this.timeOf(this.#places[at])} · ${shown(value)}`;
    });
    svg.addEventListener("pointerleave", () => { read.textContent = ""; });
  }
}
