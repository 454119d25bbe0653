// The picture of a live video, before anything else of the page is loaded. The player takes it over (player.js).

import { savesData, volumeWanted, wantsSound } from "./preferences.js";
import { sceneOf } from "./scene.js";
import { Source } from "./source.js";

/** So long everything else waits for a picture that does not come. */
const WAIT_MS = 4_000;

/** Play, with sound where it is wanted and the browser allows it. Rejects where it does not even play without. */
export async function begin(video, isSoundWanted) {
  if (isSoundWanted) video.muted = false;
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "NotAllowedError" || video.muted) throw error;
    video.muted = true;
    await video.play();
  }
}

class FirstPicture {
  #source = null;
  #url;
  /** Resolves when the picture stands, and where there is none or it does not come soon. */
  stands;

  constructor(video, url) {
    this.#url = url;
    this.stands = url ? new Promise((stands) => this.#open(video, stands)) : Promise.resolve();
  }

  /** Give away the source of this address, if it plays. Afterwards there is none. */
  take(url) {
    const source = url === this.#url ? this.#source : null;
    this.#source = null;
    return source;
  }

  async #open(video, stands) {
    const source = new Source({ video, saves: savesData() });
    this.#source = source;
    source.lost = () => {
      this.take(this.#url)?.close();
      stands();
    };
    setTimeout(stands, WAIT_MS);
    video.addEventListener("loadeddata", stands, { once: true });
    video.volume = volumeWanted();
    if (!await source.open(this.#url)) stands();
    else if (this.#source === source) void begin(video, wantsSound()).catch(() => {});
  }
}

const { as } = document.getElementById("main").dataset;
const { video } = JSON.parse(document.getElementById("state").textContent).snapshot;
const { url, isHeld } = sceneOf({ video, over: false }, false);

export const firstPicture = new FirstPicture(document.getElementById("picture"), as === "dock" || isHeld ? "" : url);
