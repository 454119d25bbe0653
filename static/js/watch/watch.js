// The watch page: one state, changed by events, drawn by its parts. The order of an event:
// core/hub.js receives it for all tabs, core/client.js for this one, state.js says what it changes, likes.js and comments.js draw it.

import { isLate, serverNow } from "../parts/page.js";
import { whenNameless } from "../core/api.js";
import { setUpComments } from "./comments.js";
import { byId, copyLink, paragraphs, perFrame, toast, writeTime } from "../parts/dom.js";
import { ago, compact, duration, moment } from "../parts/format.js";
import { setUpGuest } from "./guest.js";
import { Hearts } from "./hearts.js";
import { setUpInbox } from "../inbox/inbox.js";
import { Counter, setUpLikes } from "./likes.js";
import "./me.js";
import { Player } from "./player.js";
import { HubClient } from "../core/client.js";
import { EVENTS, KINDS } from "../topics.js";
import { hear, tell } from "../core/tabs.js";
import { apply, first, isOpen } from "./state.js";
import { setUpWatchers } from "./watchers.js";
import { count, say } from "../core/words.js";

const QUIET_MS = 2_000;
const HIDDEN_MS = 15_000;
const DAY_SECONDS = 86_400;

const theatre = byId("main");

let drawn = null;
const render = perFrame(draw);

const store = {
  state: first(JSON.parse(byId("state").textContent)),
  dispatch(name, data) {
    store.state = apply(store.state, name, data);
    render();
  },
  /** Draw at once, where what follows needs to find it drawn. */
  draw,
};

const hearts = new Hearts();
const player = new Player();
const guest = setUpGuest({ store });
const likes = setUpLikes({ store, hearts, asViewer: guest.asViewer });
const line = new HubClient({
  worker: new URL("../worker.js", import.meta.url),
  kinds: KINDS,
  events: EVENTS,
  as: theatre.dataset.as,
  viewer: store.state.viewer?.id ?? null,
  changed: (state, refusal) => { if (!store.state.over) showLine(state, refusal); },
  signedOut: () => store.dispatch("local_viewer", { viewer: null }),
});
// The session is over: the forms that ask for a name come back, what was written stays.
whenNameless(() => {
  if (!store.state.viewer) return;
  store.dispatch("local_viewer", { viewer: null });
  toast(say("nameless"));
});
// A page apart, an embed or a dock, shows no messages, and nobody is online by it.
const reader = (viewer) => (theatre.dataset.as ? null : viewer);
const inbox = setUpInbox({
  viewer: reader(store.state.viewer), line, asViewer: guest.asViewer,
  blocked(ids) {
    store.dispatch("local_blocked", { blocked: ids });
    tell("blocked", { viewer: store.state.viewer, blocked: ids });
  },
});
// A dock follows no inbox.
hear("blocked", ({ viewer, blocked }) => { if (viewer?.id === store.state.viewer?.id) store.dispatch("local_blocked", { blocked }); });
const comments = setUpComments({ store, asViewer: guest.asViewer, message: inbox.message });
const watchers = setUpWatchers({ videoId: store.state.video.id, message: inbox.message });
const viewers = new Counter(byId("viewers"), store.state.viewers.count);

function draw() {
  const [state, before] = [store.state, drawn];
  if (state === before) return;
  drawn = state;
  if (state.viewer?.id !== before?.viewer?.id) {
    inbox.identify(reader(state.viewer));
    line.identify(state.viewer?.id ?? null);
  }
  guest.render(state);
  likes.render(state);
  comments.render(state, before);
  viewers.set(state.viewers.count);
  if (state.viewers !== before?.viewers || state.blocked !== before?.blocked) watchers.counted(state.viewers);
  if (state.video !== before?.video || state.viewers !== before?.viewers || state.likes !== before?.likes) drawEnd(state);
  if (state.video !== before?.video || state.over !== before?.over) drawVideo(state, before?.video);
}

function drawEnd({ likes: { total }, viewers: { peak } }) {
  byId("end-likes").textContent = compact(total);
  byId("end-likes-word").textContent = count("likes_word", total);
  byId("end-peak").textContent = compact(peak);
}

function drawVideo({ video, over }, before) {
  theatre.dataset.status = video.status;
  document.title = video.title;
  document.querySelector("h1").textContent = video.title;
  byId("picture").setAttribute("aria-label", video.title);
  const description = byId("description");
  if (before && video.description !== before.description) description.replaceChildren(...paragraphs(video.description));
  description.hidden = !video.description;
  for (const status of ["live", "upcoming", "ended"]) byId(`badge-${status}`).hidden = over || video.status !== status;
  byId("watching").hidden = over || video.status === "ended";
  byId("curtain-over").hidden = !over;
  byId("curtain-upcoming").hidden = over || video.status !== "upcoming";
  byId("curtain-ended").hidden = over || video.status !== "ended";
  byId("curtain-none").hidden = over || video.status !== "live" || Boolean(video.playlist);
  player.play(video.status === "live" && !over && theatre.dataset.as !== "dock" ? video.playlist : "");
  drawGoesOn();
  countDown();
  if (before && before.status !== video.status && video.status !== "upcoming") toast(say(video.status === "live" ? "started" : "ended"));
}

// Before the start

function countDown() {
  const { status, starts_at_ms: startsAtMs } = store.state.video;
  if (status !== "upcoming") return;
  byId("starts-at").hidden = startsAtMs === null;
  if (startsAtMs === null) {
    byId("countdown-label").textContent = "";
    byId("countdown").textContent = say("no_time");
    return;
  }
  const seconds = Math.ceil((startsAtMs - serverNow()) / 1_000);
  const days = Math.floor(seconds / DAY_SECONDS);
  const late = isLate(startsAtMs);
  byId("countdown-label").textContent = seconds > 0 ? say("starts_in") : late ? say("planned_for", { ago: ago(startsAtMs, serverNow()) }) : "";
  byId("countdown").textContent = late ? say("not_started") : seconds <= 0 ? say("starting")
    : days > 0 ? `${count("days", days)} ${duration(seconds % DAY_SECONDS)}` : duration(seconds);
  writeTime(byId("starts-at"), startsAtMs, moment(startsAtMs));
}
setInterval(countDown, 1_000);

// The connection. What is wrong shows after a while only: most breaks are over by then.

const lineState = byId("line-state");
const lineText = { connecting: "connecting", catching: "catching", lost: "lost", bye: "bye" };
let quietTimer;
/** Where there is no picture: the rest goes on, if it does. */
function drawGoesOn() {
  const { state } = store;
  const goesOn = lineState.dataset.state === "live" && isOpen(state) && state.video.comments_enabled && !theatre.dataset.as;
  for (const said of document.querySelectorAll("[data-goes-on]")) said.hidden = !goesOn;
}
const lineWords = (state, { code, seconds }) =>
  state === "refused" ? say(code, { n: seconds }) : say(state === "lost" && !navigator.onLine ? "offline" : lineText[state]);
function showLine(state, refusal = {}) {
  lineState.dataset.state = state;
  drawGoesOn();
  clearTimeout(quietTimer);
  if (state === "live") {
    for (const part of [comments, likes, inbox]) part.wake();
    delete lineState.dataset.shown;
    byId("line-text").textContent = "";
    return;
  }
  const show = () => {
    lineState.dataset.shown = "";
    byId("line-text").textContent = lineWords(state, refusal);
  };
  if ("shown" in lineState.dataset || state === "bye" || state === "refused") show();
  else quietTimer = setTimeout(show, QUIET_MS);
}

line.watch(store.state.topic, {
  has: () => store.state,
  deliver(name, data) {
    if (name === "typing") return comments.typed(data);
    const before = store.state;
    store.dispatch(name, data);
    if (name === "likes") likes.liked(data, before);
    else if (name === "reactions") likes.reacted(data);
    else if (name === "comment" && store.state.comments !== before.comments) comments.commented(data);
  },
  lost() {
    showLine("bye");
    store.dispatch("local_over", {});
  },
});
showLine("connecting");
line.start();

// Whom the cookies name is the same for all tabs: the page that was loaded last knows it.
hear("viewer", ({ viewer }) => store.dispatch("local_viewer", { viewer }));
tell("viewer", { viewer: store.state.viewer });

// A hidden page that makes no sound has no viewer: it lets go of its connection and its picture, and catches up later.

let hiddenTimer;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      if (!player.silent) return;
      line.pause();
      player.rest();
    }, HIDDEN_MS);
  } else {
    line.start();
    player.wake();
    render();
    inbox.seen();
  }
});

// A phone held sideways: comments slide over the picture

const toggle = byId("comments-toggle");
function openComments(open) {
  theatre.dataset.comments = open ? "open" : "closed";
  toggle.setAttribute("aria-expanded", String(open));
  toggle.setAttribute("aria-label", say(open ? "comments_hide" : "comments_show"));
}
openComments(false);
toggle.addEventListener("click", () => openComments(theatre.dataset.comments !== "open"));

// A phone held upright shows one line of title; the rest on demand

byId("more").addEventListener("click", () => {
  const open = byId("about").classList.toggle("open");
  byId("more").setAttribute("aria-expanded", String(open));
  byId("more").textContent = say(open ? "less" : "more");
});

for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
byId("share").addEventListener("click", () => copyLink(location.origin + location.pathname, say));

render();
