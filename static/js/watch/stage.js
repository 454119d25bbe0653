// The picture's side of the page: title and description, what stands in for the picture, the countdown, the end.
// Which of them, is said by scene.js.

import { plural, translate } from "../core/words.js";
import { byId, paragraphs, toast, writeTime } from "../parts/dom.js";
import { ago, compact, duration, moment } from "../parts/format.js";
import { isLate, serverNow } from "../parts/page.js";
import { Player } from "./player.js";
import { savesData } from "./preferences.js";
import { replayOf, sceneOf } from "./scene.js";
import { prepare } from "./source.js";

const DAY_SECONDS = 86_400;
const CURTAINS = ["upcoming", "waiting", "stalled", "gone", "ended", "over", "none"];
/** Behind these a picture is to come. */
const BEFORE_PICTURE = ["upcoming", "waiting", "gone"];
/** What is said aloud when it happens to the picture. */
const SPOKEN = { stalled: "picture_stalled", gone: "picture_gone" };

export class Stage {
  #theatre = byId("main");
  #video;
  #isReplaying = false;

  player = new Player();

  constructor({ video }) {
    this.#video = video;
    setInterval(() => this.#countDown(), 1_000);
    byId("watch-replay").addEventListener("click", () => {
      this.#isReplaying = true;
      this.#drawScene({ video: this.#video, over: false });
      byId("play").focus({ preventScroll: true });
    });
  }

  render(state, before) {
    if (state.video !== before?.video || state.viewers !== before?.viewers || state.likes !== before?.likes) drawEnd(state);
    if (state.video !== before?.video || state.over !== before?.over) this.#draw(state, before?.video);
  }

  #draw({ video, over }, before) {
    this.#video = video;
    this.#theatre.dataset.status = video.status;
    drawText(video, before);
    const isShown = (status) => !over && video.status === status;
    for (const status of ["live", "upcoming", "ended"]) byId(`badge-${status}`).hidden = !isShown(status);
    byId("watching").hidden = over || video.status === "ended";
    byId("watch-replay").hidden = !replayOf(video);
    if (this.#isReplaying && !over && !replayOf(video)) {
      this.#isReplaying = false;
      toast(translate("replay_gone"));
    }
    this.#drawScene({ video, over });
    const [pictureState, stateBefore] = [video, before].map((each) => each?.picture?.state);
    if (before && pictureState !== stateBefore && SPOKEN[pictureState]) byId("announcements").textContent = translate(SPOKEN[pictureState]);
    if (before && before.status !== video.status && video.status !== "upcoming") toast(translate(video.status === "live" ? "started" : "ended"));
  }

  #drawScene(state) {
    const { curtain, url, ...how } = sceneOf(state, this.#isReplaying);
    for (const name of CURTAINS) byId(`curtain-${name}`).hidden = name !== curtain;
    if (BEFORE_PICTURE.includes(curtain) && !savesData()) prepare();
    const { id, captions = [] } = state.video;
    this.player.captions.offer(how.isLive ? [] : captions, `/videos/${id}/captions`);
    this.player.play(this.#theatre.dataset.as === "dock" ? "" : url, how);
    this.#countDown();
  }

  #countDown() {
    const { status, starts_at_ms: startsAtMs, picture } = this.#video;
    if (picture?.since_ms) byId("stalled-for").textContent = duration(Math.max(0, serverNow() - picture.since_ms) / 1_000);
    if (status !== "upcoming") return;
    const { label, text } = startsAtMs === null ? { label: "", text: translate("no_time") } : timeLeft(startsAtMs);
    for (const id of ["starts-at", "to-calendar"]) document.getElementById(id)?.toggleAttribute("hidden", startsAtMs === null);
    byId("countdown-label").textContent = label;
    byId("countdown").textContent = text;
    if (startsAtMs !== null) writeTime(byId("starts-at"), startsAtMs, moment(startsAtMs));
  }
}

function timeLeft(startsAtMs) {
  const seconds = Math.ceil((startsAtMs - serverNow()) / 1_000);
  const days = Math.floor(seconds / DAY_SECONDS);
  if (isLate(startsAtMs)) return { label: translate("planned_for", { ago: ago(startsAtMs, serverNow()) }), text: translate("not_started") };
  if (seconds <= 0) return { label: "", text: translate("starting") };
  const rest = duration(days > 0 ? seconds % DAY_SECONDS : seconds);
  return { label: translate("starts_in"), text: days > 0 ? `${plural("days", days)} ${rest}` : rest };
}

function drawText({ title, description: text }, before) {
  document.title = title;
  document.querySelector("h1").textContent = title;
  byId("picture").setAttribute("aria-label", title);
  const description = byId("description");
  if (before && text !== before.description) description.replaceChildren(...paragraphs(text));
  description.hidden = !text;
}

function drawEnd({ likes: { total }, viewers: { peak } }) {
  byId("end-likes").textContent = compact(total);
  byId("end-likes-word").textContent = plural("likes_word", total);
  byId("end-peak").textContent = compact(peak);
}
