// The operator's page: asks for the region's figures every few seconds and draws them.

import "../parts/page.js";
import { byId, note } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { LinePlot } from "./plots.js";
import { translate } from "../core/words.js";

const EVERY_MS = 2_500;
const CALL_TIMEOUT_MS = 10_000;
const QUANTILES = ["p50", "p90", "p99"];

const SLOTS_MIN = 24; // of five seconds: what the plots show at least

// The unit of each plot that is no hop's; null: a plain number.
const UNITS = { frames: "per_s", like_deliveries: "per_s", connections: null, lost: "percent" };
const figuresOf = (kind) => [...document.querySelectorAll(`[data-${kind}]`)].map((figure) => [figure.dataset[kind], figure]);
const hops = new Map(figuresOf("hop").map(([hop, figure]) => [hop, plotIn(figure, QUANTILES, "ms")]));
const others = new Map(figuresOf("plot").map(([name, figure]) => [name, plotIn(figure, ["value"], UNITS[name])]));
const choice = byId("event");
let knownAtMs = 0;

function plotIn(figure, names, unit) {
  const plot = new LinePlot(figure.querySelector(".plot-area"), names, (n) => (unit ? translate(unit, { n }) : n));
  return { figure, now: figure.querySelector("[data-now]"), plot };
}

/** Leave out the time before there was anything. */
function sinceFirst(plots) {
  const first = plots.rates.frames.findIndex((value) => value !== null);
  const start = Math.min(first < 0 ? Infinity : first, plots.at.length - SLOTS_MIN);
  const cut = (value) => (Array.isArray(value) ? value.slice(start) : Object.fromEntries(Object.entries(value).map(([key, of]) => [key, cut(of)])));
  return cut(plots);
}

/** The newest value that there is among the last two: the newest slot may be one in which nothing happened. */
const newest = (values) => values?.at(-1) ?? values?.at(-2) ?? null;
const shown = (key, value) => (value === null ? "–" : translate(key, { n: compact(Math.round(value * 10) / 10) }));
const ms = (value) => shown("ms", value);

function age(fromMs, nowMs) {
  const seconds = Math.max(0, Math.round((nowMs - fromMs) / 1_000));
  if (seconds < 120) return translate("seconds", { n: seconds });
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? translate("minutes", { n: minutes }) : translate("hours", { n: Math.round(minutes / 60) });
}

function showHops(plots) {
  const none = plots.at.map(() => null);
  for (const [hop, { figure, now, plot }] of hops) {
    const lines = QUANTILES.map((name) => plots.hops[hop]?.[name] ?? none);
    if (hop === "relayed") figure.hidden = !plots.hops[hop];
    plot.show(plots.at, lines);
    now.replaceChildren(...QUANTILES.map((name, place) => {
      const value = document.createElement("span");
      value.dataset.quantile = name;
      value.textContent = `${name} ${ms(newest(lines[place]))}`;
      return value;
    }));
  }
}

function showOthers({ at, rates, levels }) {
  const lost = rates.samples_lost.map((count, place) => {
    const ended = count + rates.samples_seen[place];
    return count === null || !ended ? null : (100 * count) / ended;
  });
  const lines = { frames: rates.frames, like_deliveries: rates.like_deliveries, connections: levels.connections, lost };
  for (const [name, { now, plot }] of others) {
    const line = lines[name];
    const latest = newest(line);
    const text = latest === null ? "–" : UNITS[name] ? shown(UNITS[name], latest) : compact(latest);
    plot.show(at, [line]);
    now.textContent = text;
    document.querySelector(`[data-tile="${name}"]`).textContent = text;
  }
}

function row(...cells) {
  const made = document.createElement("tr");
  made.append(...cells.map((text, place) => {
    const cell = document.createElement(place ? "td" : "th");
    if (!place) cell.scope = "row";
    cell.textContent = text;
    return cell;
  }));
  return made;
}

function showTables({ now_ms, processes, peers }) {
  byId("processes").replaceChildren(...processes.map((one) => row(
    one.process,
    age(one.began_ms, now_ms),
    age(one.at_ms, now_ms),
    one.connections === null ? "" : compact(one.connections),
    one.cpu_s === null ? "" : translate("seconds", { n: compact(Math.round(one.cpu_s)) }),
    one.rss_bytes === null ? "" : translate("mb", { n: compact(Math.round(one.rss_bytes / 1e6)) }),
  )));
  byId("no-peers").hidden = peers.length > 0;
  byId("peers-table").hidden = !peers.length;
  byId("peers").replaceChildren(...peers.map(({ peer, figures }) => {
    // Of what is counted by its reason, "drops full" and so on, the sum.
    const sum = (name) => Object.entries(figures).reduce((total, [key, n]) => total + (key.split(" ")[0] === name ? n : 0), 0);
    const answered = sum("seconds_count");
    return row(
      peer,
      translate(sum("open") ? "silent" : "answers"),
      ms(answered ? (1_000 * sum("seconds_sum")) / answered : null),
      ...["waiting", "batches", "received", "drops"].map((name) => compact(sum(name))),
    );
  }));
}

/** `certificate`: of the nodes that speak HTTPS, the one that ends first; null: none does. */
function showCertificate({ certificate, now_ms }) {
  byId("certificate").hidden = !certificate;
  if (!certificate) return;
  const days = Math.floor((certificate.ends_ms - now_ms) / 86_400_000);
  const text = certificate.is_self_made ? translate("no_certificate") : days < 0 ? translate("expired") : translate("days", { n: days });
  document.querySelector('[data-tile="certificate"]').textContent = text;
}

function showEvents(names) {
  const known = new Set([...choice.options].map((option) => option.value));
  for (const name of names) if (!known.has(name)) choice.append(new Option(name, name));
}

const TROUBLES = { 401: "signed_out", 403: "signed_out", 503: "away" };

async function load() {
  let trouble = "unreachable";
  try {
    const query = new URLSearchParams(choice.value && { event: choice.value });
    const response = await fetch(`/operator/figures?${query}`, { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    trouble = TROUBLES[response.status] ?? (response.ok ? "" : "unreachable");
    if (response.ok) {
      const figures = await response.json();
      const plots = sinceFirst(figures.plots);
      showHops(plots);
      showOthers(plots);
      document.querySelector('[data-tile="seen"]').textContent = ms(newest(plots.hops.seen?.p90));
      showTables(figures);
      showCertificate(figures);
      showEvents(figures.events);
      knownAtMs = Date.now();
      if (plots.rates.frames.every((value) => value === null)) trouble = "collecting";
    }
  } catch { /* The network. */ }
  note(byId("trouble"), trouble && translate(trouble));
}

function tick() {
  byId("updated").textContent = knownAtMs ? translate("updated", { ago: Math.round((Date.now() - knownAtMs) / 1_000) }) : "";
}

async function run() {
  // A page that nobody looks at asks for nothing.
  if (!document.hidden) await load();
  setTimeout(run, EVERY_MS);
}

choice.addEventListener("change", () => void load());
setInterval(tick, 1_000);
void run();
