// How the picture that comes in is doing, in words and numbers, beside its video.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";

const CODECS = { avc1: "H.264", hvc1: "HEVC", av01: "AV1", mp4a: "AAC", Opus: "Opus" };

/** Ask how the picture of a video is doing, and write it into its item. */
export async function showHealth(item, video) {
  const line = item.querySelector("[data-health]");
  if (video.status === "ended" || (video.picture?.state ?? "") === "") {
    line.hidden = true;
    return;
  }
  try {
    const health = await call("GET", `/videos/${video.id}/picture`);
    line.hidden = false;
    line.dataset.health = health.state;
    line.querySelector("[data-words]").textContent = words(health);
    line.querySelector("[data-numbers]").textContent = numbers(health.encoder);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The next round asks again.
  }
}

/** Say beside the choice to record what an hour takes, and how much room there is. */
export async function showDisk(hint, video) {
  hint.hidden = true;
  if (!video) return;
  try {
    const { disk } = await call("GET", `/videos/${video.id}/picture`);
    if (disk.free_bytes === null) return;
    hint.textContent = translate("disk", { hour: gigabytes(disk.hour_bytes), free: gigabytes(disk.free_bytes) });
    hint.hidden = false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Without it the choice is there all the same.
  }
}

const gigabytes = (bytes) => (bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0);

function words({ state: told, trouble, encoder }) {
  // An encoder that has just gone is known before its picture is missed.
  const state = told === "live" && !encoder ? "stalled" : told;
  if (encoder?.has_rare_keyframes) return translate("rare_keyframes", { n: Math.round(encoder.keyframe_seconds) });
  const said = translate(`picture.${state || "waiting"}`);
  return trouble ? `${said} ${trouble}` : said;
}

function numbers(encoder) {
  if (!encoder) return "";
  const parts = [
    encoder.width ? `${encoder.width} × ${encoder.height}` : "",
    encoder.frames_per_second ? translate("frames", { n: Math.round(encoder.frames_per_second) }) : "",
    encoder.bits_per_second ? `${(encoder.bits_per_second / 1e6).toFixed(1)} Mbit/s` : "",
    [encoder.video, encoder.audio].filter(Boolean).map((name) => CODECS[name] ?? name).join(", "),
  ];
  return parts.filter(Boolean).join(" · ");
}
