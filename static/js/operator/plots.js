// A plot over time, drawn by uPlot in the colours of the page. Touches its element and the page's colours alone.

import uPlot from "../../vendor/uplot-1.6.32/uPlot.esm.js";
import { clock, compact } from "../parts/format.js";

const HEIGHT_PX = 180;
const AXIS_PX = 68;
const COLOURS = ["--kind-like", "--kind-insightful", "--kind-love"];

const scheme = matchMedia("(prefers-color-scheme: dark)");
const plots = new Set();

function colour(element, name) {
  // A custom property is not resolved until something uses it: light-dark() would come as it is written.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export class LinePlot {
  #element;
  #names;
  #unit;
  #data = [[]];
  #plot = null;

  /** In the element, one line for each name. `unit(text)`: a number with its unit. */
  constructor(element, names, unit) {
    this.#element = element;
    this.#names = names;
    this.#unit = unit;
    plots.add(this);
    new ResizeObserver(() => this.#fit()).observe(element);
  }

  /** Draw: `at` in epoch seconds, one list of values (null: a gap) for each name. */
  show(at, lines) {
    this.#data = [at, ...lines];
    if (this.#plot) this.#plot.setData(this.#data);
    else this.draw();
  }

  draw() {
    this.#plot?.destroy();
    this.#plot = null;
    const width = this.#element.clientWidth;
    if (!width) return;
    const [text, line] = ["--muted", "--line"].map((name) => colour(this.#element, name));
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    this.#plot = new uPlot(
      {
        width,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1 || 1)] } },
        axes: [
          { ...axis, space: 80, values: (_, ticks) => ticks.map((at) => (at % 60 ? "" : clock(at * 1_000))) },
          { ...axis, size: AXIS_PX, values: (_, ticks) => ticks.map((value) => this.#unit(compact(value))) },
        ],
        series: [
          {},
          ...this.#names.map((name, place) => ({
            label: name,
            stroke: colour(this.#element, this.#names.length > 1 ? COLOURS[place] : "--accent"),
            width: 2,
            points: { show: false },
            spanGaps: false,
          })),
        ],
      },
      this.#data,
      this.#element,
    );
  }

  #fit() {
    const width = this.#element.clientWidth;
    if (!this.#plot) this.draw();
    else if (width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }
}

// The lines are pixels: another appearance does not reach them by itself.
const redraw = () => { for (const plot of plots) plot.draw(); };
scheme.addEventListener("change", redraw);
new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
