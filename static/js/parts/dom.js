// Small helpers for the page. Text goes in as text, styles through the object model: no HTML from data, no inline style.

import { translate } from "../core/words.js";
import { hue, initial } from "./format.js";

export const byId = (id) => document.getElementById(id);

/** A copy of what a template holds. */
export const copyOf = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** A drawing of the page's sprite. */
export function icon(name) {
  const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// The addresses of pictures that this page has, by the server's hand or its own.
const known = new Set(Array.from(document.querySelectorAll(".face > img"), (image) => image.getAttribute("src")));
let spreadMs = 0;

/** Have new pictures of people asked for within so many ms, at random: all who watch see a new face at the same moment. */
export const spreadFaces = (ms) => { spreadMs = ms; };

/** Show a person's picture; who has none, or one that does not come, is the initial of their name on its colour. */
export function paintFace(element, { id, name, picture }) {
  const source = picture ? `/api/v1/viewers/${id}/portrait?t=${picture}` : "";
  element.dataset.hue = hue(name);
  if (source && element.dataset.picture === source) return;
  element.dataset.picture = source;
  element.textContent = initial(name);
  if (known.has(source)) showPicture(element, source, name);
  else if (source) {
    setTimeout(() => {
      if (element.isConnected && element.dataset.picture === source) showPicture(element, source, name);
    }, Math.random() * spreadMs);
  }
}

function showPicture(element, source, name) {
  const image = Object.assign(document.createElement("img"), { width: 32, height: 32, alt: "", loading: "lazy", decoding: "async", src: source });
  image.addEventListener("load", () => known.add(source));
  image.addEventListener("error", () => { if (image.parentNode === element) element.textContent = initial(name); });
  element.replaceChildren(image);
}

/** A name of either direction, kept to itself within a text. */
export const isolated = (name) => `\u2068${name}\u2069`;

/** Write a moment into the `<time>` of an item; it stands in the place that the template keeps for it. */
export function writeTime(item, atMs, text) {
  let time = item.querySelector("time");
  if (!time) {
    time = document.createElement("time");
    time.className = "num";
    item.querySelector("[data-time]").replaceWith(time);
  }
  time.dateTime = new Date(atMs).toISOString();
  time.textContent = text;
}

/** Show a text, or hide the element when there is none. */
export function note(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}

let toastTimer;
/** Show a text for a few seconds. */
export function toast(text) {
  const element = byId("toast");
  note(element, text);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => note(element, ""), 4000);
}

/** A text's paragraphs and lines, as the server draws them (Django's `linebreaks`). */
export const paragraphs = (text) => text.split(/\n{2,}/).map((part) => {
  const paragraph = document.createElement("p");
  paragraph.append(...part.split("\n").flatMap((line, at) => (at ? [document.createElement("br"), line] : [line])));
  return paragraph;
});

/**
 * Whether a key belongs to an input method, which composes a word. Safari ends the composition before it tells of the
 * key that ended it: only 229, the code of keys that went to an input method, says so.
 */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

const EDGE_PX = 8;

/** Put a popover below the button that opens it, above it where there is no room, always within the window. */
export function placeAt(button, popover) {
  const { left, right, top, bottom } = button.getBoundingClientRect();
  const [width, height] = [popover.offsetWidth, popover.offsetHeight];
  const start = document.dir === "rtl" ? right - width : left;
  const below = bottom + EDGE_PX + height <= innerHeight ? bottom + EDGE_PX : top - EDGE_PX - height;
  popover.style.left = `${Math.max(EDGE_PX, Math.min(start, innerWidth - width - EDGE_PX))}px`;
  popover.style.top = `${Math.max(EDGE_PX, below)}px`;
}

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** Run `work` once before the next picture, however often it is asked for; a hidden page is served by a timer. */
export function perFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const run = () => { waiting = false; work(); };
    if (document.hidden) setTimeout(run, 250);
    else requestAnimationFrame(run);
  };
}

/** Copy a link; where the browser refuses, show it instead. */
export async function copyLink(link, failure = "copy_failed") {
  try {
    await navigator.clipboard.writeText(link);
    toast(translate("copied"));
  } catch {
    toast(translate(failure, { link }));
  }
}

const byTouch = matchMedia("(pointer: coarse)");

/** Offer a link to the programs of a phone; elsewhere, and where there are none, copy it. */
export async function shareLink(url, title) {
  if (!byTouch.matches || !navigator.share) return copyLink(url);
  try {
    await navigator.share({ url, title });
  } catch (problem) {
    if (problem.name !== "AbortError") await copyLink(url); // they changed their mind
  }
}

const ANNOUNCE_EVERY_MS = 4_000;

/** Return `announce(item)`: screen readers hear of what is new now and then, by `textOf(the last, how many)`. */
export function announcer(region, textOf) {
  let waiting = [];
  let timer = null;
  return (item) => {
    if (document.hidden) return;
    waiting.push(item);
    timer ??= setTimeout(() => {
      timer = null;
      region.textContent = textOf(waiting.at(-1), waiting.length);
      waiting = [];
    }, ANNOUNCE_EVERY_MS);
  };
}
