// The studio: a broadcaster's own videos, through the REST API. What is live is on the desk (desk.js), the others in a list.

import { ApiError, call } from "../core/api.js";
import { plural, translate } from "../core/words.js";
import { byId, copyLink, note, toast } from "../parts/dom.js";
import { compact, moment } from "../parts/format.js";
import { isLate, serverNow } from "../parts/page.js";
import { Desk, deskVideo } from "./desk.js";
import { VideoForm } from "./form.js";
import { showHealth } from "./health.js";
import { showKey } from "./key.js";
import { RecordingDialog, isRecorded } from "./recording.js";

const EVERY_MS = 5_000;
/** A broadcast that has ended can go on for so long. */
const RESTART_MS = 3_600_000;

const list = byId("videos");
const videos = new Map();
const pictures = new Map();
/** Deleted here: an answer that was under way must not bring them back. */
const gone = new Set();
let desk = null;

const itemOf = (id) => list.querySelector(`[data-video="${id}"]`);
const fact = (item, name) => item.querySelector(`[data-fact="${name}"]`);
const act = (item, name) => item.querySelector(`[data-do="${name}"]`);

/** Return the item of a video; a new one comes on top. */
function drawnItem(id) {
  const there = itemOf(id);
  if (there) return there;
  const item = byId("video-template").content.firstElementChild.cloneNode(true);
  item.dataset.video = id;
  item.querySelector("[data-open]").href = `/videos/${id}/`;
  act(item, "report").href = `/studio/${id}/report/`;
  act(item, "copy").parentElement.inert = false;
  list.prepend(item);
  return item;
}

/** Write a video's figures and state into its item. */
function show(video) {
  videos.set(video.id, video);
  const item = drawnItem(video.id);
  item.dataset.status = video.status;
  fact(item, "title").textContent = video.title;
  fact(item, "status").textContent = translate(video.status === "ended" ? "ended_status" : video.status);
  fact(item, "status").classList.toggle("live", video.status === "live");
  const visibility = [...byId("f-visibility").options].find((option) => option.value === video.visibility);
  fact(item, "visibility").textContent = visibility?.textContent ?? video.visibility;
  const likes = video.likes?.total ?? 0;
  fact(item, "likes").textContent = compact(likes);
  fact(item, "likes-word").textContent = plural("likes_word", likes);
  fact(item, "count").textContent = compact(video.viewers?.count ?? 0);
  fact(item, "watching-word").textContent = plural("watching_word", video.viewers?.count ?? 0);
  // They leave one by one: for a moment an ended video is still watched.
  fact(item, "count").parentElement.hidden = video.status === "ended";
  fact(item, "peak").textContent = compact(video.viewers?.peak ?? 0);
  if ("unique" in video) fact(item, "unique").textContent = compact(video.unique);
  showWhen(item, video);
  act(item, "start").hidden = video.status !== "upcoming";
  act(item, "end").hidden = video.status !== "live";
  act(item, "restart").hidden = !canRestart(video);
  act(item, "report").hidden = video.status !== "ended" || video.started_at_ms === null;
  act(item, "recording").hidden = !isRecorded(video);
  byId("no-videos").hidden = true;
}

const canRestart = ({ status, ended_at_ms: endedAtMs, started_at_ms: startedAtMs }) =>
  status === "ended" && startedAtMs !== null && serverNow() - endedAtMs < RESTART_MS;

function showWhen(item, { status, ended_at_ms: ended, started_at_ms: started, starts_at_ms: starts }) {
  const at = ended ?? started ?? starts;
  const late = status === "upcoming" && isLate(starts);
  item.querySelector("[data-when]").textContent = [at === null ? "" : moment(at), late ? translate("not_started") : ""].filter(Boolean).join(" · ");
}

function showPicture(id, path) {
  const image = itemOf(id).querySelector("img");
  pictures.set(id, path);
  image.hidden = path === "";
  if (path) image.src = path;
}

/** A video has changed, here or elsewhere: draw it, and the desk. */
function changed(video) {
  if (gone.has(video.id)) return;
  const known = videos.get(video.id);
  show({ ...known, ...video });
  desk.show(deskVideo([...videos.values()], desk.videoId));
  if (videos.get(video.id).picture?.state !== known?.picture?.state && video.id !== desk.videoId) void showHealth(itemOf(video.id), videos.get(video.id));
}

function deleted(id) {
  gone.add(id);
  videos.delete(id);
  itemOf(id)?.remove();
  byId("no-videos").hidden = videos.size > 0;
  desk.show(deskVideo([...videos.values()], desk.videoId));
}

const quietly = (path) => call("GET", path, undefined, { quietly: true });
const isOver = ({ status }) => status === "ended";

/** Ask how the newest of them are, and those that are not over. One that an encoder has opened comes on top. */
async function look() {
  if (document.hidden) return;
  try {
    const { items } = await quietly("/me/videos?limit=20");
    for (const video of items.reverse()) changed(video);
    await Promise.all([...videos.values()].filter((video) => !isOver(video)).map((video) => lookAt(video, items)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The next round asks again.
  }
}

async function lookAt({ id, status }, known) {
  if (!known.some((video) => video.id === id)) changed(await quietly(`/videos/${id}`));
  if (status === "live") changed({ id, unique: (await quietly(`/videos/${id}/viewers`)).unique });
  if (id !== desk.videoId && videos.has(id)) await showHealth(itemOf(id), videos.get(id));
}

/** Do something with a video; what goes wrong is written beside it, on the desk if it is there. */
async function change(id, work, done) {
  const places = [itemOf(id), ...(id === desk.videoId ? [byId("desk")] : [])];
  const problem = places.at(-1).querySelector(".error");
  const buttons = places.flatMap((place) => [...place.querySelectorAll("button")]);
  for (const button of buttons) button.disabled = true;
  try {
    changed(await work());
    note(problem, "");
    toast(translate(done));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    note(problem, error.advice);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

// Ending asks first: for a while it can go on, but its viewers see that it is over.

const endDialog = byId("end-dialog");
let ending = "";

const post = (id, what) => () => call("POST", `/videos/${id}/${what}`);

/** What the buttons of a video do, by its id. */
const acts = {
  start: (id) => change(id, post(id, "start"), "started"),
  end: (id) => {
    ending = id;
    endDialog.showModal();
  },
  restart: (id) => change(id, post(id, "restart"), "restarted"),
  copy: (id) => copyLink(new URL(`/videos/${id}/`, location.href).href),
};

function begin() {
  const form = new VideoForm({ changed, deleted, pictureOf: (id) => pictures.get(id) ?? "", pictured: showPicture });
  const recording = new RecordingDialog((id) => changed({ ...videos.get(id), playlist: "" }));
  desk = new Desk({ changed, act: (name, id) => void acts[name](id) });
  acts.edit = async (id) => {
    changed(await call("GET", `/videos/${id}`).catch(() => videos.get(id)));
    form.open(videos.get(id));
  };
  acts.recording = (id) => recording.open(id);
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) void acts[button.dataset.do](button.closest(".studio-video").dataset.video);
  });
  byId("new").addEventListener("click", () => form.open(null, videos.values().next().value));
  byId("end-yes").addEventListener("click", () => {
    endDialog.close();
    void change(ending, post(ending, "end"), "ended");
  });
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());

  const own = JSON.parse(byId("own").textContent);
  for (const video of own) show(video);
  for (const { id, poster } of own) pictures.set(id, poster);
  desk.show(deskVideo([...videos.values()], ""));
  // Until here a press would have led nowhere.
  for (const buttons of list.querySelectorAll("[inert]")) buttons.inert = false;
  byId("new").disabled = false;
  showKey(byId("key-card"));
  void look();
  setInterval(() => void look(), EVERY_MS);
}

if (list) begin();
