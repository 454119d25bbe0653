// The home page: viewers, likes and pictures of what is live move; asked for now and then, because looking at a card is
// not watching and must not count as a viewer.

import { localise } from "../parts/page.js";
import { call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { compact } from "../parts/format.js";
import { keepPush } from "../parts/push.js";
import { plural } from "../core/words.js";

const EVERY_MS = 8_000;
const LIST_MS = 1_000; // so old may the list be that the site gives out
const PICTURE_WIDTH = 640;
const FRIENDS_MS = 30_000;

let friendsAt = performance.now();

const liveCards = () => [...document.querySelectorAll("[data-live] > [data-video]")];

function show(card, video) {
  const [viewers, likes] = [card.querySelector("[data-viewers]"), card.querySelector("[data-likes]")];
  if (viewers && video.viewers) {
    viewers.textContent = compact(video.viewers.count);
    card.querySelector("[data-watching-word]").textContent = plural("watching_word", video.viewers.count);
  }
  if (!likes || !video.likes) return;
  likes.textContent = compact(video.likes.total);
  card.querySelector("[data-likes-word]").textContent = plural("likes_word", video.likes.total);
}

/** Replace a card's picture once the newer one is there. */
function refreshPicture(card) {
  const picture = card.querySelector("img");
  if (!picture) return;
  const url = new URL(picture.src);
  url.searchParams.set("t", Math.floor(Date.now() / 1_000));
  const fresh = new Image(PICTURE_WIDTH);
  fresh.addEventListener("load", () => { picture.src = fresh.src; });
  fresh.src = url.href;
}

/** The list as the server draws it now; null: it has none. */
async function freshMain() {
  const response = await fetch(location.pathname, { signal: AbortSignal.timeout(EVERY_MS) });
  return response.ok ? new DOMParser().parseFromString(await response.text(), "text/html").getElementById("main") : null;
}

/** Something started or ended: take the whole list anew. The focus stays where it was. */
async function redraw() {
  const fresh = await freshMain();
  if (!fresh) return;
  const focused = document.activeElement.closest?.("[data-video]")?.dataset.video;
  byId("main").replaceChildren(...fresh.childNodes);
  localise(byId("main"));
  if (focused) document.querySelector(`[data-video="${focused}"] a`)?.focus({ preventScroll: true });
}

/** Friends come and go: the page as the server has it says who of them is where. */
async function drawFriends() {
  friendsAt = performance.now();
  const fresh = await freshMain();
  for (const card of fresh ? liveCards() : []) {
    card.querySelector(".card-friends")?.remove();
    const line = fresh.querySelector(`[data-video="${card.dataset.video}"] .card-friends`);
    if (line) card.querySelector(".card-meta").after(line);
  }
}

async function refresh() {
  if (document.hidden) return;
  localise(byId("main"));
  try {
    const { items } = await call("GET", "/videos?status=live&limit=24");
    const byVideo = new Map(items.map((video) => [video.id, video]));
    const cards = liveCards();
    if (cards.length !== byVideo.size || cards.some((card) => !byVideo.has(card.dataset.video))) {
      await new Promise((done) => { setTimeout(done, LIST_MS); });
      await redraw();
      return;
    }
    for (const card of cards) {
      show(card, byVideo.get(card.dataset.video));
      refreshPicture(card);
    }
    if (byId("main").dataset.friends && cards.length && performance.now() - friendsAt > FRIENDS_MS) await drawFriends();
  } catch { /* The next round asks again. */ }
}

if (document.querySelector("[data-viewer-face]:not([hidden])")) void keepPush();
setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", () => void refresh());
