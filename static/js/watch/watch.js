// The watch page: one state, changed by events, drawn by its parts. The order of an event: core/hub.js receives it for all
// tabs, core/client.js for this one, state.js says what it changes, the parts draw it.

import { ApiError, call, whenNameless } from "../core/api.js";
import { HubClient } from "../core/client.js";
import { broadcast, onBroadcast } from "../core/tabs.js";
import { translate } from "../core/words.js";
import { Column } from "../inbox/column.js";
import { Inbox } from "../inbox/inbox.js";
import { byId, perFrame, shareLink, spreadFaces, toast } from "../parts/dom.js";
import { serverNow } from "../parts/page.js";
import { EVENTS, KINDS } from "../topics.js";
import { Comments } from "./comments.js";
import { ConnectionState } from "./connection-state.js";
import { Guest } from "./guest.js";
import { Hearts } from "./hearts.js";
import { InStep } from "./in-step.js";
import { ActNote, Counter, Likes, Reactions } from "./likes.js";
import "./me.js";
import { preference } from "./preferences.js";
import { Replay } from "./replay.js";
import { Stage } from "./stage.js";
import { apply, first, isOpen } from "./state.js";
import { Watchers } from "./watchers.js";

const BOARD_AGAIN_MS = 10_000;
const HIDDEN_MS = 15_000;
const EMOJI_SPREAD_MS = 5_000;
// A new face is asked for by 200 viewers a second, all together.
const FACES_MS = 5;
const FACES_MAX_MS = 60_000;

const theatre = byId("main");
const { as } = theatre.dataset;

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

const guest = new Guest({ store });
const asViewer = (work) => guest.asViewer(work);
const acts = { store, hearts: new Hearts(), actNote: new ActNote(), asViewer };
const [likes, reactions] = [new Likes(acts), new Reactions(acts)];
const connectionState = new ConnectionState();
const client = new HubClient({
  worker: new URL("../worker.js", import.meta.url),
  kinds: KINDS,
  events: EVENTS,
  as,
  viewer: store.state.viewer?.id ?? null,
  changed: (state, refusal) => { if (!store.state.over) showConnection(state, refusal); },
  signedOut: () => store.dispatch("local_viewer", { viewer: null }),
});
// A page apart, an embed or a dock, shows no messages, and nobody is online by it.
const reader = (viewer) => (as ? null : viewer);
const column = new Column();
const inbox = new Inbox({
  viewer: reader(store.state.viewer), client, asViewer, frame: column, noticed: (notices) => void noticed(notices),
  blocked(ids) {
    store.dispatch("local_blocked", { blocked: ids });
    friends?.askSoon();
    broadcast("blocked", { viewer: store.state.viewer, blocked: ids });
  },
});
const message = (person) => inbox.message(person);
let friends = null;
const comments = new Comments({ store, asViewer, message, isFriend: (id) => inbox.knows(id), deliver: happened });
const watchers = new Watchers({ videoId: store.state.video.id, message });
const viewers = new Counter(byId("viewers"), store.state.viewers.count);
const stage = new Stage(store.state);
const replay = new Replay({ ...acts, likes, comments });
const parts = [guest, likes, reactions, comments, watchers, stage, replay];
let hasBoard = false;
let hasQueue = false;
let isGoingOn;

/** The bell has something new: it may be among the comments that are in view. */
async function noticed({ unread }) {
  if (unread) await (await import("./heard.js")).seeInView(store.state.video.id);
}

/** What is beside the picture is loaded where there is something, or where the viewer may put something there. */
async function loadBoard() {
  hasBoard = true;
  try {
    const { loadedBoard } = await import("../board/board.js");
    const board = await loadedBoard({ store, client, asViewer, inStep, shownNow, addTab: (...tab) => column.add(...tab) });
    parts.push(board);
    board.render(store.state);
  } catch (error) {
    setTimeout(() => void loadBoard(), BOARD_AGAIN_MS);
    throw error;
  }
}

/** What waits for those who moderate. */
async function loadQueue() {
  hasQueue = true;
  try {
    const { Queue } = await import("../moderation/queue.js");
    new Queue({ store, client });
  } catch (error) {
    setTimeout(() => void loadQueue(), BOARD_AGAIN_MS);
    throw error;
  }
}

function draw() {
  const [state, before] = [store.state, drawn];
  if (state === before) return;
  drawn = state;
  if (state.viewer?.id !== before?.viewer?.id) {
    inbox.identify(reader(state.viewer));
    client.identify(state.viewer?.id ?? null);
  }
  viewers.set(state.viewers.count);
  spreadFaces(Math.min(FACES_MAX_MS, state.viewers.count * FACES_MS));
  for (const part of parts) part.render(state, before);
  if (!hasBoard && as !== "embed" && (state.video.has_board || state.may.includes("board"))) void loadBoard();
  if (!hasQueue && as !== "embed" && state.may.includes("review")) void loadQueue();
  const { video: { comments_enabled: areOn, has_board: isThere }, comments, pending } = state;
  theatre.toggleAttribute("data-off", !areOn && !isThere && !state.may.includes("board") && !(comments.length + pending.length));
  drawGoesOn(state);
}

/** Where there is no picture: the rest goes on, if it does. */
function drawGoesOn(state) {
  const goesOn = connectionState.isLive && isOpen(state) && state.video.comments_enabled && !as;
  if (goesOn === isGoingOn) return;
  isGoingOn = goesOn;
  for (const text of document.querySelectorAll("[data-goes-on]")) text.hidden = !goesOn;
}

// The connection

function showConnection(state, refusal) {
  connectionState.show(state, refusal);
  drawGoesOn(store.state);
  if (state === "live") for (const part of [comments, likes, inbox]) part.wake();
}

function happened(name, data) {
  const before = store.state;
  store.dispatch(name, data);
  if (name === "likes") likes.came(data, before);
  else if (name === "reactions") reactions.came(data);
  else if (name === "reset") readEmojiSoon();
  else if (name === "comment" && store.state.comments !== before.comments) comments.came(data);
}

/** Changes of the channel's emoji may be among the events that were missed. All who watch ask for them then. */
function readEmojiSoon() {
  setTimeout(async () => {
    try {
      const { items } = await call("GET", `/channels/${store.state.video.broadcaster.id}/emoji`, undefined, { quietly: true });
      store.dispatch("local_emoji", { emoji: Object.fromEntries(items.map(({ code, url }) => [code, url])) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }, Math.random() * EMOJI_SPREAD_MS);
}

const shownAtMs = () => (preference("step") === "on" ? stage.player.shownAtMs : null);
/** The moment that the viewer is at: now, or that of the picture where they want to be with it. */
const shownNow = () => shownAtMs() ?? serverNow();

/** Have the events of a topic wait for the picture, where the viewer wants it. Returns what takes them. */
function inStep(deliver) {
  const step = new InStep({ shownAtMs, deliver });
  return (name, data) => step.take(name, data);
}

const takeInStep = inStep((name, data) => comments.flow.take(name, data));
client.watch(store.state.topic, {
  has: () => store.state,
  deliver: (name, data) => (name === "typing" ? comments.typed(data) : takeInStep(name, data)),
  lost() {
    showConnection("bye");
    store.dispatch("local_over", {});
  },
});
showConnection("connecting");
client.start();

// Who the viewer is, by the cookies, is the same for all tabs: the page that was loaded last knows it.

onBroadcast("viewer", ({ viewer }) => store.dispatch("local_viewer", { viewer }));
broadcast("viewer", { viewer: store.state.viewer });
// A dock follows no inbox.
onBroadcast("blocked", ({ viewer, blocked }) => { if (viewer?.id === store.state.viewer?.id) store.dispatch("local_blocked", { blocked }); });
// The session is over: the forms that ask for a name come back, what was written stays.
whenNameless(() => {
  if (!store.state.viewer) return;
  store.dispatch("local_viewer", { viewer: null });
  toast(translate("nameless"));
});

// A hidden page that makes no sound has no viewer: it lets go of its connection and its picture, and catches up later.

let hiddenTimer;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      if (!stage.player.silent) return;
      client.pause();
      stage.player.rest();
    }, HIDDEN_MS);
  } else {
    client.start();
    stage.player.wake();
    render();
    inbox.seen();
  }
});

// A phone held upright shows one line of title; the rest on demand

byId("more").addEventListener("click", () => {
  const open = byId("about").classList.toggle("open");
  byId("more").setAttribute("aria-expanded", String(open));
  byId("more").textContent = translate(open ? "less" : "more");
});

for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
byId("share").addEventListener("click", () => void shareLink(location.origin + location.pathname, store.state.video.title));

/** The address may name a comment: it is shown, and in a replay the picture of its moment. */
async function goToComment(id) {
  column.showComments();
  const comment = await comments.goTo(id);
  if (comment) replay.goTo(comment.at_ms);
}

render();
const named = new URLSearchParams(location.search).get("comment");
if (named) void goToComment(named);
if (!as) {
  void import("./friends.js").then(({ Friends }) => {
    friends = new Friends({ knowsAnybody: () => inbox.people.length > 0 });
    parts.push(friends);
    friends.render(store.state);
  });
  void import("./channel.js").then(({ Channel }) => {
    const channel = new Channel({ state: store.state, asViewer });
    parts.push(channel);
    channel.render(store.state);
  });
}
