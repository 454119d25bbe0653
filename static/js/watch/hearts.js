// Hearts and other signs that rise over the picture: drawn on one canvas, MAX at a time, none where less motion is asked.

import { byId, reducedMotion } from "../parts/dom.js";

const MAX = 60;
const BURST_MAX = 16;
const SPREAD_MS = 500;
const LIFE_MS = 2_600;
const COLOURS = {
  heart: "#ff6f59", love: "#ff6f59", fire: "#ff9d4d", clap: "#58d39b", celebrate: "#58d39b", laugh: "#5fd0e6",
  funny: "#5fd0e6", wow: "#f2c14b", insightful: "#f2c14b", like: "#7db4ff", support: "#c5a3ff",
};

/** The outlines of the page's own drawing of a kind: [path, is it the body]. */
function outlines(kind) {
  return [...document.querySelectorAll(`#i-${kind} > *`)].map((shape) => {
    const number = (name) => Number(shape.getAttribute(name));
    const path = new Path2D(shape.getAttribute("d") ?? undefined);
    if (shape.tagName === "circle") path.arc(number("cx"), number("cy"), number("r"), 0, 2 * Math.PI);
    if (shape.tagName === "ellipse") path.ellipse(number("cx"), number("cy"), number("rx"), number("ry"), 0, 0, 2 * Math.PI);
    return { path, part: shape.getAttribute("class") ?? "line" };
  });
}

/** One kind, the likelier the more of it there are. */
function pickOne(wanted, total) {
  let at = Math.random() * total;
  for (const [kind, count] of wanted) {
    at -= count;
    if (at < 0) return kind;
  }
  return wanted[0][0];
}

export class Hearts {
  #canvas = byId("hearts");
  #pen = this.#canvas.getContext("2d");
  #shapes = new Map();
  #rising = [];
  #running = false;
  #allowed = BURST_MAX;
  #allowedAt = performance.now();

  constructor() {
    new ResizeObserver(() => this.#fit()).observe(this.#canvas);
  }

  #fit() {
    const ratio = Math.min(devicePixelRatio, 2);
    this.#canvas.width = this.#canvas.clientWidth * ratio;
    this.#canvas.height = this.#canvas.clientHeight * ratio;
    this.#pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Let signs rise, `counts[kind]` of each kind; when there are too many, a fair sample of them. */
  rise(counts) {
    const wanted = Object.entries(counts).flatMap(([kind, count]) => (COLOURS[kind] && count > 0 ? [[kind, count]] : []));
    const total = wanted.reduce((sum, [, count]) => sum + count, 0);
    const amount = Math.min(total, this.#allowance());
    this.#allowed -= amount;
    for (let i = 0; i < amount; i += 1) this.#add(pickOne(wanted, total), amount > 1 ? Math.random() * SPREAD_MS : 0);
  }

  /** Let the viewer's own sign rise at once, whatever else is in the air. */
  riseOwn(kind) {
    this.#add(kind, 0);
  }

  // As many a second as MAX of them can be in the air: a flood rises evenly instead of in clumps.
  #allowance() {
    const now = performance.now();
    this.#allowed = Math.min(BURST_MAX, this.#allowed + ((now - this.#allowedAt) / LIFE_MS) * MAX);
    this.#allowedAt = now;
    return Math.floor(this.#allowed);
  }

  #add(kind, delayMs) {
    if (reducedMotion.matches || document.hidden || this.#rising.length >= MAX) return;
    if (!this.#shapes.has(kind)) this.#shapes.set(kind, outlines(kind));
    this.#rising.push({
      kind,
      from: performance.now() + delayMs,
      lane: Math.random(),
      sway: (Math.random() - 0.5) * 2,
      size: 22 + Math.random() * 16,
      life: LIFE_MS * (0.8 + Math.random() * 0.4),
    });
    if (this.#running) return;
    this.#running = true;
    requestAnimationFrame((at) => this.#draw(at));
  }

  #draw(now) {
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    this.#pen.clearRect(0, 0, width, height);
    this.#rising = this.#rising.filter((sign) => now - sign.from < sign.life);
    for (const sign of this.#rising) {
      const age = (now - sign.from) / sign.life;
      if (age >= 0) this.#drawOne(sign, age, width, height);
    }
    this.#running = this.#rising.length > 0;
    if (this.#running) requestAnimationFrame((at) => this.#draw(at));
  }

  #drawOne(sign, age, width, height) {
    const pen = this.#pen;
    const lanes = Math.min(220, width * 0.4);
    const reach = height * 0.78;
    const x = width - 24 - lanes * sign.lane - 12 + Math.sin(age * 5 + sign.lane * 9) * 14 * sign.sway;
    const y = height - 28 - reach * (1 - (1 - age) ** 1.6);
    const scale = (sign.size / 24) * Math.min(1, 0.4 + age * 6);
    pen.save();
    pen.globalAlpha = Math.min(1, (1 - age) * 2.2);
    pen.translate(x, y);
    pen.rotate(sign.sway * 0.25);
    pen.scale(scale, scale);
    pen.translate(-12, -12);
    pen.lineWidth = 1.8;
    pen.lineCap = pen.lineJoin = "round";
    // A face's ink and a drawing's inner lines stand out from its body.
    const colour = COLOURS[sign.kind];
    for (const { path, part } of this.#shapes.get(sign.kind)) {
      pen.fillStyle = part === "body" ? colour : "#14181f";
      pen.strokeStyle = part === "body" ? "rgb(12 15 20 / 0.55)" : "#14181f";
      if (part === "line" && !["laugh", "funny", "wow", "clap", "fire"].includes(sign.kind)) pen.strokeStyle = colour;
      if (part !== "line") pen.fill(path);
      if (part !== "ink") pen.stroke(path);
    }
    pen.restore();
  }
}
