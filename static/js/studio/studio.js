// The studio: a broadcaster's own videos, through the REST API.

import { isLate } from "../parts/page.js";
import { ApiError, call } from "../core/api.js";
import { byId, copyLink, note, toast } from "../parts/dom.js";
import { compact, moment } from "../parts/format.js";
import { plural, translate } from "../core/words.js";
import { showDisk, showHealth } from "./health.js";
import { showKey } from "./key.js";
import { RecordingDialog, isRecorded } from "./recording.js";

const EVERY_MS = 5_000;
/** So long after the end its recording may still come. */
const RECORDING_MS = 120_000;
const CHOICES = ["comments_enabled", "starts_itself", "is_recorded"];

const list = byId("videos");
const videos = new Map();

const fact = (item, name) => item.querySelector(`[data-fact="${name}"]`);
const act = (item, name) => item.querySelector(`[data-do="${name}"]`);

/** Write a video's figures and state into its item. */
function show(video) {
  videos.set(video.id, video);
  const item = list.querySelector(`[data-video="${video.id}"]`);
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
  // They leave one by one: for a moment an ended video is still watched.
  fact(item, "count").parentElement.hidden = video.status === "ended";
  fact(item, "peak").textContent = compact(video.viewers?.peak ?? 0);
  if ("unique" in video) fact(item, "unique").textContent = compact(video.unique);
  showWhen(item, video);
  act(item, "start").hidden = video.status !== "upcoming";
  act(item, "end").hidden = video.status !== "live";
  act(item, "recording").hidden = !isRecorded(video);
  void showHealth(item, video);
}

function showWhen(item, { status, ended_at_ms: ended, started_at_ms: started, starts_at_ms: starts }) {
  const at = ended ?? started ?? starts;
  const late = status === "upcoming" && isLate(starts);
  item.querySelector("[data-when]").textContent = [at === null ? "" : moment(at), late ? translate("not_started") : ""].filter(Boolean).join(" · ");
}

async function load(id) {
  try {
    const [video, viewers] = await Promise.all([call("GET", `/videos/${id}`), call("GET", `/videos/${id}/viewers`)]);
    show({ ...video, unique: viewers.unique });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The next round asks again.
  }
}

/** Do something with a video; what goes wrong is written beside it. */
async function change(item, work, done) {
  const problem = item.querySelector(".error");
  const buttons = item.querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await work();
    note(problem, "");
    await load(item.dataset.video);
    toast(translate(done));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    note(problem, error.advice);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

// Create and edit: one form

const [dialog, form, problem] = ["form-dialog", "form", "f-error"].map((id) => document.getElementById(id));
let edited = null;

const localInput = (atMs) => new Date(atMs - new Date(atMs).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

function openForm(video) {
  edited = video;
  form.reset();
  note(problem, "");
  for (const part of dialog.querySelectorAll("[data-for]")) part.hidden = (part.dataset.for === "edit") !== Boolean(video);
  if (video) {
    const fields = form.elements;
    fields.title.value = video.title;
    fields.description.value = video.description;
    fields.visibility.value = video.visibility;
    fields.playlist.value = video.playlist;
    for (const name of CHOICES) fields[name].checked = video[name];
    fields.starts_at.value = video.starts_at_ms === null ? "" : localInput(video.starts_at_ms);
  }
  void showDisk(byId("f-disk"), video ?? videos.values().next().value);
  dialog.showModal();
  form.elements.title.focus();
}

/** What the form says; of an edited video only what is different. */
function entered() {
  const fields = form.elements;
  const values = {
    title: fields.title.value.trim(),
    description: fields.description.value.trim(),
    visibility: fields.visibility.value,
    playlist: fields.playlist.value.trim(),
    ...Object.fromEntries(CHOICES.map((name) => [name, fields[name].checked])),
  };
  // The field knows minutes only: left alone, it must not cut the seconds off.
  const kept = edited?.starts_at_ms != null && fields.starts_at.value === localInput(edited.starts_at_ms);
  values.starts_at_ms = kept ? edited.starts_at_ms : fields.starts_at.value ? new Date(fields.starts_at.value).getTime() : null;
  return Object.fromEntries(Object.entries(values).filter(([key, value]) => (edited ? edited[key] !== value : value !== null && value !== "")));
}

async function save() {
  const values = entered();
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    if (edited) {
      if (Object.keys(values).length) show({ ...edited, ...(await call("PATCH", `/videos/${edited.id}`, values)) });
      dialog.close();
      toast(translate("saved"));
    } else {
      await call("POST", "/videos", values);
      // The server draws the new one.
      location.reload();
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    note(problem, error.advice);
  } finally {
    button.disabled = false;
  }
}

// Ending asks first: there is no way back.

const endDialog = byId("end-dialog");
let ending = null;

const acts = {
  start: (item) => change(item, () => call("POST", `/videos/${item.dataset.video}/start`), "started"),
  end: (item) => {
    ending = item;
    endDialog.showModal();
  },
  copy: (item) => copyLink(new URL(`/videos/${item.dataset.video}/`, location.href).href),
  edit: async (item) => {
    await load(item.dataset.video);
    openForm(videos.get(item.dataset.video));
  },
};

/** Draw the page anew when there is a video that it does not show: an encoder has opened one. */
async function lookForNew() {
  if (document.querySelector("dialog[open]")) return;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = [...page.querySelectorAll("[data-video]")].map((item) => item.dataset.video);
    if (answer.ok && shown.some((id) => !videos.has(id))) location.reload();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Offline: the next round asks again.
  }
}

if (list) {
  const recording = new RecordingDialog((id) => void load(id));
  acts.recording = (item) => recording.open(item.dataset.video);
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) void acts[button.dataset.do](button.closest(".studio-video"));
  });
  byId("new").addEventListener("click", () => openForm(null));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.elements.title.value.trim()) {
      void save();
      return;
    }
    note(problem, translate("no_title"));
    form.elements.title.focus();
  });
  byId("end-yes").addEventListener("click", () => {
    endDialog.close();
    void change(ending, () => call("POST", `/videos/${ending.dataset.video}/end`), "ended");
  });
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());

  for (const video of JSON.parse(byId("own").textContent)) show(video);
  // Until here a press would have led nowhere.
  for (const acts of list.querySelectorAll("[inert]")) acts.inert = false;
  byId("new").disabled = false;
  showKey(byId("key-card"));
  setInterval(() => {
    if (document.hidden) return;
    void lookForNew();
    for (const item of list.querySelectorAll('[data-status="live"]')) void load(item.dataset.video);
    for (const item of list.querySelectorAll('[data-status="ended"]')) {
      const video = videos.get(item.dataset.video);
      if (!isRecorded(video) && video.is_recorded && Date.now() - video.ended_at_ms < RECORDING_MS) void load(video.id);
    }
    for (const item of list.querySelectorAll('[data-status="upcoming"]')) {
      showWhen(item, videos.get(item.dataset.video));
      // Its picture may come before it is live.
      void load(item.dataset.video);
    }
  }, EVERY_MS);
}
