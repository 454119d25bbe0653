// The home page: viewers, likes and pictures of what is live move; asked for now and then, because looking at a card is
// not watching and must not count as a viewer.

import "./page.js";
import { call } from "./api.js";
import { compact } from "./format.js";

const EVERY_MS = 8_000;
const PICTURE_WIDTH = 640;

const live = document.querySelector("[data-live]");

function show(card, video) {
  const [viewers, likes] = [card.querySelector("[data-viewers]"), card.querySelector("[data-likes]")];
  if (viewers && video.viewers) viewers.textContent = compact(video.viewers.count);
  if (likes && video.likes) likes.textContent = compact(video.likes.total);
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

async function refresh() {
  if (document.hidden) return;
  try {
    const { items } = await call("GET", "/videos?status=live&limit=24");
    const byVideo = new Map(items.map((video) => [video.id, video]));
    for (const card of live.children) {
      const video = byVideo.get(card.dataset.video);
      if (!video) continue;
      show(card, video);
      refreshPicture(card);
    }
  } catch { /* The next round asks again. */ }
}

if (live) setInterval(refresh, EVERY_MS);
