// The curve over the bar of a recording: how much was liked and commented, when. The peaks of it can be gone to.

import { translate } from "../core/words.js";
import { byId } from "../parts/dom.js";
import { duration } from "../parts/format.js";

const [WIDTH, HEIGHT] = [1_000, 100];

/** The outline of `[share of the length, share of the height]`, in order, closed at the bottom. */
export function outlineOf(places) {
  const points = places.map(([across, up]) => `${Math.round(across * WIDTH)} ${Math.round((1 - up) * HEIGHT)}`);
  return points.length > 1 ? `M0 ${HEIGHT}L${points.join("L")}L${WIDTH} ${HEIGHT}Z` : "";
}

export class Curve {
  #video = byId("picture");
  #peaks = byId("peaks");

  constructor() {
    this.#peaks.addEventListener("click", ({ target }) => {
      const { second } = target.closest("button")?.dataset ?? {};
      if (second) this.#video.currentTime = Number(second);
    });
  }

  /** Draw the part of a timeline that a recording shows: it may have begun late, or be trimmed. */
  draw({ points, peaks, step_ms: stepMs }, recording) {
    const [first, last] = [recording.momentAt(0), recording.momentAt(recording.seconds)];
    const isShown = ({ at_ms: atMs }) => first < atMs + stepMs && atMs <= last;
    const shown = points.filter(isShown);
    const heights = shown.map(({ likes, comments }) => likes + comments);
    const highest = Math.max(1, ...heights);
    const placed = shown.map(({ at_ms: atMs }, number) => [this.#across(recording, atMs), heights[number] / highest]);
    byId("curve").setAttribute("d", outlineOf(placed));
    this.#peaks.replaceChildren(...peaks.filter(isShown).map(({ at_ms: atMs }) => this.#peak(recording, atMs)));
    byId("happened").hidden = false;
  }

  #across(recording, atMs) {
    return Math.min(1, recording.secondOf(atMs) / recording.seconds);
  }

  #peak(recording, atMs) {
    const [button, second] = [document.createElement("button"), recording.secondOf(atMs)];
    button.type = "button";
    button.dataset.second = second;
    button.style.setProperty("--at", this.#across(recording, atMs));
    button.title = translate("peak", { at: duration(second) });
    button.setAttribute("aria-label", button.title);
    return button;
  }
}
