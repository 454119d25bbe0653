// The desk: one broadcast while it is live, or while its picture is tried. What viewers see, how the picture is doing, what
// happens a minute, the comments beside it. It follows the video's topic as a page that does not count as a viewer.

import { ApiError, call } from "../core/api.js";
import { HubClient } from "../core/client.js";
import { translate } from "../core/words.js";
import { byId, note, toast } from "../parts/dom.js";
import { clock, compact } from "../parts/format.js";
import { serverNow } from "../parts/page.js";
import { EVENTS, KINDS } from "../topics.js";
import { showHealth } from "./health.js";
import { Plots } from "./plots.js";
import { Preview } from "./preview.js";
import { LiveTimeline } from "./series.js";

const DRAW_MS = 5_000;
const TIMELINE_MS = 60_000;

/** The video that belongs on the desk: the one that is there, while it may go on; else what is live, or sends. */
export function deskVideo(videos, onDesk) {
  const isOpen = ({ status, picture }) => status === "live" || (status === "upcoming" && (picture?.state ?? "") !== "");
  const newest = (found) => found.sort((one, other) => (other.started_at_ms ?? 0) - (one.started_at_ms ?? 0))[0];
  const live = newest(videos.filter(({ status }) => status === "live"));
  const there = videos.find(({ id }) => id === onDesk);
  if (there && (there.status === "live" || !live)) return there;
  return live ?? videos.find(isOpen) ?? null;
}

export class Desk {
  #root = byId("desk");
  #video = null;
  #topic = "";
  #client = null;
  #position = null;
  #timeline = null;
  #timelineAt = 0;
  #preview = new Preview();
  #plots = new Plots(byId("plots"), { timeOf: clock, isLive: true });

  /** `changed(video)`: it is different now; `act(name, id)`: a button of it was pressed. */
  constructor({ changed, act }) {
    Object.assign(this, { changed, act });
    this.#root.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-desk]");
      if (button) this.act(button.dataset.desk, this.#video.id);
    });
    byId("desk-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#rename();
    });
    setInterval(() => this.#look(), DRAW_MS);
  }

  get videoId() {
    return this.#video?.id ?? "";
  }

  /** Show a video as it is now, or nothing. */
  show(video) {
    this.#root.hidden = video === null;
    if (video === null) return;
    const before = this.#video;
    this.#video = video;
    const [field, isOther] = [byId("desk-name"), video.id !== before?.id];
    if (isOther) this.#begin();
    // What one is typing stays.
    if (isOther || (video.title !== before.title && document.activeElement !== field)) field.value = video.title;
    this.#root.dataset.status = video.status;
    byId("desk-status").textContent = translate(video.status === "ended" ? "ended_status" : video.status);
    byId("desk-status").classList.toggle("live", video.status === "live");
    this.#drawWatching(video.viewers?.count ?? 0);
    for (const [name, status] of [["start", "upcoming"], ["end", "live"], ["restart", "ended"]]) {
      this.#root.querySelector(`[data-desk="${name}"]`).hidden = video.status !== status;
    }
    byId("desk-report").hidden = video.status !== "ended";
    byId("desk-report").href = `/studio/${video.id}/report/`;
    byId("plots").hidden = video.status === "upcoming" || !this.#timeline;
    this.#preview.show(video);
    if (video.status !== before?.status) this.#timelineAt = 0;
    if (video.picture?.state !== before?.picture?.state || video.status !== before?.status) void showHealth(this.#root, video);
  }

  #drawWatching(count) {
    byId("desk-watching").textContent = compact(count);
  }

  /** Another video is on the desk. */
  #begin() {
    this.#timeline = null;
    this.#timelineAt = 0;
    const { id, epoch, seq, topic } = this.#video;
    byId("desk-comments").src = `/videos/${id}/?as=dock`;
    this.#position = { epoch, seq };
    this.#client ??= this.#connected();
    if (this.#topic) this.#client.leave(this.#topic);
    this.#topic = topic;
    this.#client.watch(topic, {
      has: () => this.#position,
      deliver: (name, data) => this.#happened(name, data),
    });
    this.#client.start();
    void this.#look();
  }

  #connected() {
    return new HubClient({
      worker: new URL("../worker.js", import.meta.url),
      kinds: KINDS,
      events: EVENTS,
      as: "dock",
      viewer: byId("main").dataset.viewer,
      changed() {},
      signedOut() {},
    });
  }

  #happened(name, data) {
    if (data.epoch) this.#position = { epoch: data.epoch, seq: data.seq };
    else if (data.seq) this.#position = { ...this.#position, seq: data.seq };
    const video = data.video ?? data.snapshot?.video;
    if (video) this.changed({ ...this.#video, ...video });
    if (name === "viewers") this.#drawWatching(data.count);
    if (!this.#timeline) return;
    if (name === "viewers") this.#timeline.watch(data.count, serverNow());
    else if (name === "likes") this.#timeline.count("likes", Math.max(0, data.delta ?? 0), serverNow());
    else if (name === "comment") this.#timeline.count("comments", 1, serverNow());
    else return;
    this.#draw();
  }

  /** Time goes on: so do the plots and the health. Now and then what the server has counted is asked for. */
  async #look() {
    if (!this.#video || this.#root.hidden || document.hidden) return;
    void showHealth(this.#root, this.#video);
    if (this.#video.status !== "live") return;
    if (Date.now() - this.#timelineAt > TIMELINE_MS) await this.#ask(this.#video.id);
    this.#timeline?.goOn(serverNow());
    this.#draw();
  }

  async #ask(id) {
    this.#timelineAt = Date.now();
    try {
      const found = await call("GET", `/videos/${id}/timeline`, undefined, { quietly: true });
      if (id !== this.videoId || !found.points.length) return;
      if (this.#timeline) this.#timeline.update(found);
      else this.#timeline = new LiveTimeline(found);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#timelineAt = 0;
    }
  }

  #draw() {
    if (!this.#timeline) return;
    byId("plots").hidden = false;
    this.#plots.draw(this.#timeline.points, this.#timeline.stepMs);
  }

  /** The title is different as soon as it is saved; it stays as it was written where that fails. */
  async #rename() {
    const [field, problem] = [byId("desk-name"), byId("desk-error")];
    const title = field.value.trim();
    if (!title) return note(problem, translate("no_title"));
    if (title === this.#video.title) return note(problem, "");
    try {
      this.changed({ ...this.#video, ...(await call("PATCH", `/videos/${this.#video.id}`, { title })) });
      note(problem, "");
      toast(translate("saved"));
      field.blur();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(problem, error.advice);
    }
  }
}
