// The picture: hls.js where Media Source Extensions exist, else the browser's own HLS (iPhones). When it does not come
// through, the page says so, goes on without it and tries again.

import { Backoff } from "../core/backoff.js";
import { translate } from "../core/words.js";
import { byId, note } from "../parts/dom.js";

const VENDOR = "../../vendor/hls.js-1.7.4/";
const STILL_MS = 2_600;
const SPINNER_AFTER_MS = 600;
const FIRST_RETRY_MS = 2_000;
const RETRY_MAX_MS = 30_000;
const AT_LIVE_SECONDS = 6;
const STALLED_MS = 12_000;
const CONFIG = {
  workerPath: new URL(`${VENDOR}hls.worker.js`, import.meta.url).href,
  // About 3 s behind the camera with segments of 1 s; a viewer who fell behind catches up unnoticed. One segment less
  // and a faster catch-up stalled 1 to 3 times in 12 s on a machine with all cores busy, this not once.
  liveSyncDurationCount: 3,
  liveMaxLatencyDurationCount: 8,
  maxLiveSyncPlaybackRate: 1.1,
  backBufferLength: 30,
};

export class Player {
  #root = byId("player");
  #video = byId("picture");
  #hls = null;
  #url = "";
  #backoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: RETRY_MAX_MS, least: 0.5 });
  #retryTimer;
  #spinnerTimer;
  #stillTimer;
  #resting = false;
  #progressAt = 0;

  constructor() {
    this.#wire();
    setInterval(() => this.#watchProgress(), 2_000);
  }

  get playing() {
    return !this.#video.paused;
  }

  /** Nobody hears it, so a hidden page may let go of it. */
  get silent() {
    return this.#video.muted || this.#video.volume === 0 || this.#video.paused;
  }

  /** Play the playlist; "" stops. Calling it again with the same one changes nothing. */
  play(url) {
    if (url === this.#url) return;
    this.stop();
    this.#url = url;
    if (url) {
      byId("controls").hidden = false;
      void this.#open();
    }
  }

  stop() {
    this.#url = "";
    this.#resting = false;
    this.#close();
    this.#fail("");
    byId("controls").hidden = byId("sound-on").hidden = true;
    this.#spin(false);
  }

  /** Stop loading while the page is hidden and silent; wake() goes on at the live end. */
  rest() {
    if (!this.#url || this.#resting) return;
    this.#resting = true;
    this.#close();
  }

  wake() {
    if (!this.#resting) return;
    this.#resting = false;
    void this.#open();
  }

  #close() {
    clearTimeout(this.#retryTimer);
    this.#hls?.destroy();
    this.#hls = null;
    if (this.#video.hasAttribute("src")) {
      this.#video.removeAttribute("src");
      this.#video.load();
    }
  }

  async #open() {
    const url = this.#url;
    this.#progressAt = Date.now();
    this.#spin(true);
    const { default: Hls } = await import(`${VENDOR}hls.light.min.mjs`);
    if (url !== this.#url || this.#resting) return;
    // Chromium plays HLS by itself too, but without control of the latency: ask hls.js first.
    if (Hls.isSupported()) this.#attach(Hls, url);
    else if (this.#video.canPlayType("application/vnd.apple.mpegurl")) this.#video.src = url;
    else {
      this.#spin(false);
      this.#fail(translate("picture_unsupported"), { again: false });
      return;
    }
    this.#start();
  }

  #attach(Hls, url) {
    const hls = new Hls(CONFIG);
    this.#hls = hls;
    let recoveredAt = -Infinity;
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (!data.fatal) return;
      // A decoder's hiccup is mended in place, once in 10 s; anything else opens the stream anew.
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && performance.now() - recoveredAt > 10_000) {
        recoveredAt = performance.now();
        hls.recoverMediaError();
      } else {
        this.#lost();
      }
    });
    hls.loadSource(url);
    hls.attachMedia(this.#video);
  }

  /** Autoplay is allowed without sound; where even that is refused, the play button waits. */
  #start() {
    this.#video.play().catch(() => this.#show());
  }

  #lost() {
    this.#close();
    this.#spin(false);
    this.#fail(translate("picture_failed"));
    this.#retryTimer = setTimeout(() => this.#open(), this.#backoff.next());
  }

  #watchProgress() {
    if (!this.#url || this.#resting || this.#video.paused || document.hidden || !byId("curtain-failed").hidden) {
      this.#progressAt = Date.now();
    } else if (Date.now() - this.#progressAt > STALLED_MS) {
      this.#lost();
    }
    byId("to-live").classList.toggle("at-live", !this.#video.paused && this.#behind < AT_LIVE_SECONDS);
  }

  /** Seconds behind the newest picture there is. */
  get #behind() {
    if (this.#hls) return this.#hls.latency || 0;
    const { seekable, currentTime } = this.#video;
    return seekable.length ? seekable.end(seekable.length - 1) - currentTime : 0;
  }

  #toLive() {
    const { seekable } = this.#video;
    const end = this.#hls?.liveSyncPosition ?? (seekable.length ? seekable.end(seekable.length - 1) - 2 : null);
    if (end !== null) this.#video.currentTime = end;
    this.#start();
  }

  #fail(text, { again = true } = {}) {
    byId("curtain-failed").hidden = !text;
    note(byId("failed-text"), text);
    byId("picture-again").hidden = !again;
  }

  #spin(on) {
    clearTimeout(this.#spinnerTimer);
    if (on) this.#spinnerTimer = setTimeout(() => { byId("spinner").hidden = false; }, SPINNER_AFTER_MS);
    else byId("spinner").hidden = true;
  }

  /** Show the controls, and let them fade while the picture runs and nothing moves. */
  #show() {
    this.#root.classList.remove("still");
    clearTimeout(this.#stillTimer);
    this.#stillTimer = setTimeout(() => this.#root.classList.toggle("still", this.playing), STILL_MS);
  }

  #wire() {
    const video = this.#video;
    const on = (events, work, target = video) => events.split(" ").forEach((name) => target.addEventListener(name, work));
    on("playing timeupdate", () => {
      this.#progressAt = Date.now();
      if (video.readyState > 2) this.#spin(false);
    });
    on("playing", () => {
      this.#backoff.reset();
      this.#fail("");
    });
    on("waiting seeking", () => this.#spin(!video.paused));
    on("error", () => { if (this.#url && !this.#hls && !this.#resting) this.#lost(); });
    on("play playing pause ended emptied", () => {
      this.#root.classList.toggle("playing", this.playing);
      byId("play").setAttribute("aria-label", translate(this.playing ? "pause" : "play"));
      this.#show();
    });
    on("volumechange loadedmetadata playing", () => this.#showSound());
    this.#showSound();

    byId("play").addEventListener("click", () => this.#toggle());
    byId("mute").addEventListener("click", () => this.#sound(video.muted || video.volume === 0));
    byId("sound-on").addEventListener("click", () => {
      this.#sound(true);
      byId("mute").focus({ preventScroll: true });
    });
    byId("volume").addEventListener("input", (event) => {
      video.volume = Number(event.target.value);
      video.muted = video.volume === 0;
    });
    byId("to-live").addEventListener("click", () => this.#toLive());
    byId("picture-again").addEventListener("click", () => {
      clearTimeout(this.#retryTimer);
      this.#fail("");
      void this.#open();
    });
    byId("full").addEventListener("click", () => this.#full());
    on("fullscreenchange", () => {
      const full = document.fullscreenElement === this.#root;
      this.#root.classList.toggle("full", full);
      byId("full").setAttribute("aria-label", translate(full ? "fullscreen_exit" : "fullscreen"));
    }, document);

    on("pointermove pointerdown focusin keydown", () => this.#show(), this.#root);
    // A mouse pauses with a click; a finger only asks for the controls.
    on("click", (event) => { if (event.pointerType === "mouse" && this.#url) this.#toggle(); });
    on("dblclick", (event) => { if (event.pointerType !== "touch") this.#full(); });
  }

  #toggle() {
    if (this.playing) this.#video.pause();
    else if (this.#behind > AT_LIVE_SECONDS) this.#toLive();
    else this.#start();
  }

  #sound(on) {
    this.#video.muted = !on;
    if (on && this.#video.volume === 0) this.#video.volume = 1;
    if (on && !this.playing) this.#start();
  }

  #showSound() {
    const video = this.#video;
    const muted = video.muted || video.volume === 0;
    this.#root.classList.toggle("muted", muted);
    byId("mute").setAttribute("aria-label", translate(muted ? "unmute" : "mute"));
    byId("volume").value = video.muted ? 0 : video.volume;
    byId("sound-on").hidden = !muted || !this.#url || video.readyState < 2;
  }

  #full() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (this.#root.requestFullscreen) void this.#root.requestFullscreen();
    // iPhones know full screen for the picture alone.
    else this.#video.webkitEnterFullscreen?.();
  }
}
