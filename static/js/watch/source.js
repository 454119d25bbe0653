// One playlist on the page's <video>: hls.js where Media Source Extensions exist, else the browser's own HLS (older
// iPhones). It knows how far the picture is behind and which qualities there are; the player decides what to do.

const VENDOR = "../../vendor/hls.js-1.7.4/";
const OWN_HLS = "application/vnd.apple.mpegurl";
/** The browser's own HLS does not say how far behind the newest picture it wants to be: three segments of 2 s. */
const OWN_DELAY_SECONDS = 6;
const RECOVER_AGAIN_MS = 10_000;
/** Who comes sees nothing before, so nothing is lost by a jump: to catch up by speed takes ten times as long. */
const LATE_AT_START_SECONDS = 0.7;
/** A line that has brought the first part of a segment, and in this time not those up to the place to begin, is slow. */
const SLOW_START_MS = 300;
/** The ingest sends what browsers play as it is. What others send may have to be taken apart: in a worker. */
const OURS = /^\/media\//;

// How far behind the camera one watches is the playlist's to say: PART-HOLD-BACK, HOLD-BACK, or three segments. A viewer
// who fell behind catches up unnoticed.
const CONFIG = {
  workerPath: new URL(`${VENDOR}hls.worker.js`, import.meta.url).href,
  lowLatencyMode: true,
  maxLiveSyncPlaybackRate: 1.1,
  liveSyncOnStallIncrease: 0.5,
  liveDurationInfinity: true,
  maxBufferLength: 20,
  backBufferLength: 60,
  playlistLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 12_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 6, retryDelayMs: 500, maxRetryDelayMs: 2_000 },
    },
  },
};
const library = () => import(`${VENDOR}hls.light.min.mjs`);
const SAVER = { lowLatencyMode: false, startLevel: 0, maxBufferLength: 10, backBufferLength: 10 };

/** Load the player before there is something to play: who waits for a picture then sees it sooner. */
export const prepare = () => void library().catch(() => {});

export class Source {
  #video;
  #hls = null;
  #opening = null;
  #isClosed = false;
  #edgeWanted = false;
  #saves;

  /** It does not come through. */
  lost = () => {};
  /** There are other qualities. */
  changed = () => {};

  constructor({ video, saves }) {
    this.#video = video;
    this.#saves = saves;
  }

  /** Load the playlist, from a place in it or as it wants; once. Returns false where the browser cannot play it. */
  open(url, startAt = 0) {
    return this.#opening ??= this.#open(url, startAt);
  }

  async #open(url, startAt) {
    // Chromium plays HLS by itself too, but without control of the latency: hls.js first.
    if ("MediaSource" in window || "ManagedMediaSource" in window) {
      const { default: Hls } = await library();
      if (this.#isClosed) return true;
      if (Hls.isSupported()) {
        this.#attach(Hls, url, startAt);
        return true;
      }
    }
    if (!this.#video.canPlayType(OWN_HLS)) return false;
    this.#video.src = startAt ? `${url}#t=${startAt}` : url;
    return true;
  }

  close() {
    this.#isClosed = true;
    this.#hls?.destroy();
    this.#hls = null;
    if (this.#video.hasAttribute("src")) {
      this.#video.removeAttribute("src");
      this.#video.load();
    }
  }

  #attach(Hls, url, startAt) {
    const hls = new Hls({ ...CONFIG, ...(this.#saves ? SAVER : {}), enableWorker: !OURS.test(url), startPosition: startAt || -1 });
    this.#hls = hls;
    let recoveredAt = -Infinity;
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (!data.fatal) return;
      // A decoder's hiccup is mended in place, once in a while; anything else opens the stream anew.
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && performance.now() - recoveredAt > RECOVER_AGAIN_MS) {
        recoveredAt = performance.now();
        hls.recoverMediaError();
      } else {
        this.lost();
      }
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      if (this.#saves) hls.autoLevelCapping = 0;
      this.changed();
    });
    hls.on(Hls.Events.LEVEL_UPDATED, () => {
      if (!this.#edgeWanted) return;
      this.#edgeWanted = false;
      this.toEdge();
    });
    // Parts come one after the other, a round trip each. On a slow line the first one is shown at once, whatever is live.
    let isSlow = false;
    const look = () => {
      const { buffered, currentTime, readyState } = this.#video;
      if (this.#hls !== hls || readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) return;
      if (buffered.length && (currentTime < buffered.start(0) || currentTime > buffered.end(0))) {
        isSlow = true;
        this.#video.currentTime = buffered.start(0);
      }
      setTimeout(look, SLOW_START_MS); // the player may have gone to the place to begin only after this
    };
    hls.once(Hls.Events.BUFFER_APPENDED, () => setTimeout(look, SLOW_START_MS));
    // The place to begin was chosen when the playlist came; on a slow device that is some time ago.
    this.#video.addEventListener("playing", () => {
      if (this.#hls === hls && !isSlow && this.behind > LATE_AT_START_SECONDS) this.toEdge();
    }, { once: true });
    hls.loadSource(url);
    hls.attachMedia(this.#video);
  }

  /** Load nothing more: the last frame stays. */
  hold() {
    this.#hls?.stopLoad();
  }

  /** Load again, at the live end. */
  resume() {
    this.#edgeWanted = true;
    if (this.#hls) {
      this.#hls.startLoad();
    } else if (!this.#video.paused) {
      this.#video.load();
      void this.#video.play();
    }
  }

  /** From the oldest to the newest second that can be played. */
  get window() {
    const { seekable } = this.#video;
    return seekable.length ? { start: seekable.start(0), end: seekable.end(seekable.length - 1) } : { start: 0, end: 0 };
  }

  /** Seconds behind where one watches live. */
  get behind() {
    if (this.#hls) return Math.max(0, this.#hls.latency - (this.#hls.targetLatency ?? 0));
    const { start, end } = this.window;
    return end > start ? Math.max(0, end - OWN_DELAY_SECONDS - this.#video.currentTime) : 0;
  }

  /** When the frame that is shown was taken, in ms since the epoch; null when the playlist does not say. */
  get shownAtMs() {
    const date = this.#hls ? this.#hls.playingDate : this.#video.getStartDate?.();
    if (!date || Number.isNaN(date.getTime())) return null;
    return date.getTime() + (this.#hls ? 0 : this.#video.currentTime * 1_000);
  }

  /** Go on to the live end, never back: right after an encoder has come back, its end is before what was seen. */
  toEdge() {
    const { start, end } = this.window;
    const edge = this.#hls ? this.#hls.liveSyncPosition : Math.max(start, end - OWN_DELAY_SECONDS);
    if (edge !== null && edge > this.#video.currentTime) this.#video.currentTime = edge;
  }

  /** The qualities, as `{at, height, bitrate}`, the best first; none where the browser chooses by itself. */
  get qualities() {
    const levels = this.#hls?.levels ?? [];
    return levels.map(({ height, bitrate }, at) => ({ at, height, bitrate })).reverse();
  }

  /** The height of what is shown now; 0 when unknown. */
  get height() {
    return this.#video.videoHeight;
  }

  /** Show one of the qualities; -1: whichever fits the connection. */
  choose(at) {
    if (this.#hls) this.#hls.nextLevel = at;
  }
}
