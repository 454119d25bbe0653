// The picture: plays what the stage asks for. When it does not come through, the page says so, goes on without it and
// tries again. Sound, place, room and menu have rooms of their own.

import { Backoff } from "../core/backoff.js";
import { translate } from "../core/words.js";
import { byId, note } from "../parts/dom.js";
import { Captions } from "./captions.js";
import { firstPicture } from "./first-picture.js";
import { followKeys } from "./keys.js";
import { savesData } from "./preferences.js";
import { Screen } from "./screen.js";
import { SeekBar } from "./seek-bar.js";
import { Settings } from "./settings.js";
import { Sound } from "./sound.js";
import { Source } from "./source.js";

const STILL_MS = 2_600;
const SPINNER_AFTER_MS = 600;
const FIRST_RETRY_MS = 500;
const RETRY_MAX_MS = 30_000;
const LOOK_MS = 1_000;
/** Who falls behind that far without having asked for it is brought back to the live end. */
const LAG_MAX_SECONDS = 4;
const STOPPED_MS = 10_000;

export class Player {
  #root = byId("player");
  #video = byId("picture");
  #source = null;
  #url = "";
  #isLive = true;
  #isHeld = false;
  #isBehindByChoice = false;
  #backoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: RETRY_MAX_MS, least: 0.5 });
  #retryTimer;
  #spinnerTimer;
  #stillTimer;
  #resting = false;
  #progressAt = 0;
  #failures = 0;
  /** Where one is in a recording, for when it has to be loaded anew. */
  #place = 0;

  #sound = new Sound();
  #screen = new Screen();
  #settings = new Settings({ reopen: () => { if (this.#source) void this.#open(); } });
  #seekBar = new SeekBar({
    source: () => this.#source,
    isLive: () => this.#isLive,
    moved: (isAtLive) => this.#moved(isAtLive),
  });

  captions = new Captions();

  constructor() {
    this.#followVideo();
    this.#followPointer();
    byId("play").addEventListener("click", () => this.toggle());
    byId("picture-again").addEventListener("click", () => {
      this.#fail("");
      void this.#open();
    });
    const [seekBar, sound, screen, captions] = [this.#seekBar, this.#sound, this.#screen, this.captions];
    if (byId("main").dataset.as !== "dock") followKeys({ player: this, seekBar, sound, screen, captions });
    setInterval(() => this.#look(), LOOK_MS);
  }

  get playing() {
    return !this.#video.paused;
  }

  /** Whether there is a picture to play. */
  get isOpen() {
    return this.#url !== "";
  }

  /** When the frame that is shown was taken, in ms since the epoch; null where it moves not or nobody knows. */
  get shownAtMs() {
    return this.#isHeld ? null : (this.#source?.shownAtMs ?? null);
  }

  /** Nobody hears or sees it, so a hidden page may let go of it. */
  get silent() {
    return (this.#sound.isOff || !this.playing) && !document.pictureInPictureElement;
  }

  /**
   * Play the playlist; "" stops. Calling it again with the same one changes nothing. `isHeld`: nothing is loaded, the
   * last frame stays; afterwards it goes on at the live end.
   */
  play(url, { isLive = true, isHeld = false } = {}) {
    if (url === this.#url && isHeld === this.#isHeld) return;
    if (url !== this.#url) this.stop();
    const wasHeld = this.#isHeld;
    [this.#url, this.#isLive, this.#isHeld] = [url, isLive, isHeld];
    this.#root.classList.toggle("held", isHeld);
    if (!url || this.#resting) return;
    if (isHeld) this.#hold();
    else if (wasHeld && this.#source) this.#goOn();
    else void this.#open();
  }

  stop() {
    this.#url = "";
    this.#place = this.#failures = 0;
    this.#resting = this.#isHeld = this.#isBehindByChoice = false;
    this.#close();
    this.#fail("");
    byId("controls").hidden = byId("sound-on").hidden = true;
    this.#root.classList.remove("held", "opened");
    this.#spin(false);
  }

  /** Stop loading while the page is hidden and silent; wake() goes on at the live end. */
  rest() {
    if (!this.#url || !this.#isLive || this.#resting) return;
    this.#resting = true;
    this.#close();
  }

  wake() {
    if (!this.#resting) return;
    this.#resting = false;
    if (!this.#isHeld) void this.#open();
  }

  #close() {
    clearTimeout(this.#retryTimer);
    this.#source?.close();
    this.#source = null;
    this.#settings.follow(null);
  }

  async #open() {
    this.#close();
    byId("controls").hidden = false;
    this.#root.classList.add("opened");
    this.#progressAt = Date.now();
    this.#spin(true);
    const source = firstPicture.take(this.#url) ?? new Source({ video: this.#video, saves: savesData() });
    source.lost = () => this.#lost();
    source.changed = () => this.#settings.qualitiesCame();
    this.#source = source;
    this.#settings.follow(source);
    const isPlayable = await source.open(this.#url, this.#isLive ? 0 : this.#place);
    if (source !== this.#source) return;
    if (isPlayable) {
      this.#settings.qualitiesCame();
      // The first picture plays already.
      if (this.playing) this.#showPlaying();
      else this.#start();
      this.#sound.show();
    } else {
      this.#spin(false);
      this.#fail(translate("picture_unsupported"), { again: false });
    }
  }

  /** Autoplay is allowed without sound; where even that is refused, the play button waits. */
  #start() {
    this.#sound.play().catch(() => this.showControls());
  }

  #hold() {
    clearTimeout(this.#retryTimer);
    this.#fail("");
    this.#source?.hold();
    this.#spin(false);
  }

  #goOn() {
    this.#progressAt = Date.now();
    this.#isBehindByChoice = false;
    this.#source.resume();
  }

  #lost() {
    if (this.#isHeld || !this.#url) return;
    this.#close();
    // A picture that has just begun may not be there yet for a moment.
    this.#failures += 1;
    this.#spin(this.#failures === 1);
    if (this.#failures > 1) this.#fail(translate("picture_failed"));
    this.#retryTimer = setTimeout(() => this.#open(), this.#backoff.next());
  }

  #look() {
    const isIdle = !this.#url || this.#resting || this.#isHeld || this.#video.paused || document.hidden;
    if (isIdle || !byId("curtain-failed").hidden) this.#progressAt = Date.now();
    else if (Date.now() - this.#progressAt > STOPPED_MS) this.#lost();
    else if (!this.#isBehindByChoice && this.#seekBar.behind > LAG_MAX_SECONDS) this.#source?.toEdge();
    this.#seekBar.draw();
    this.#settings.drawDelay();
  }

  /** The viewer went to another place: back to the live end, or away from it. */
  #moved(isAtLive) {
    this.#isBehindByChoice = !isAtLive;
    if (isAtLive) this.#start();
  }

  toggle() {
    if (!this.#url || this.#isHeld) return;
    if (!this.playing) {
      this.#start();
      return;
    }
    this.#isBehindByChoice = true;
    this.#video.pause();
  }

  #fail(text, { again = true } = {}) {
    byId("curtain-failed").hidden = !text;
    note(byId("failed-text"), text);
    byId("picture-again").hidden = !again;
  }

  #spin(on) {
    clearTimeout(this.#spinnerTimer);
    if (on && !this.#isHeld) this.#spinnerTimer = setTimeout(() => { byId("spinner").hidden = false; }, SPINNER_AFTER_MS);
    else byId("spinner").hidden = true;
  }

  /** Show the controls, and let them fade while the picture runs and nothing moves. */
  showControls() {
    this.#root.classList.remove("still");
    clearTimeout(this.#stillTimer);
    this.#stillTimer = setTimeout(() => this.#root.classList.toggle("still", this.playing), STILL_MS);
  }

  #followVideo() {
    const video = this.#video;
    const on = (events, work) => events.split(" ").forEach((name) => video.addEventListener(name, work));
    on("playing timeupdate", () => {
      this.#progressAt = Date.now();
      if (video.currentTime) this.#place = video.currentTime;
      if (video.readyState > 2) this.#spin(false);
    });
    on("playing", () => {
      this.#failures = 0;
      this.#backoff.reset();
      this.#fail("");
    });
    on("waiting seeking", () => this.#spin(!video.paused));
    on("error", () => { if (this.#url && video.hasAttribute("src") && !video.src.startsWith("blob:")) this.#lost(); });
    on("play playing pause ended emptied", () => this.#showPlaying());
  }

  #showPlaying() {
    this.#root.classList.toggle("playing", this.playing);
    byId("play").setAttribute("aria-label", translate(this.playing ? "pause" : "play"));
    this.showControls();
  }

  #followPointer() {
    for (const event of ["pointermove", "pointerdown", "focusin", "keydown"]) this.#root.addEventListener(event, () => this.showControls());
    // A mouse pauses with a click; a finger only asks for the controls.
    this.#video.addEventListener("click", (event) => { if (event.pointerType === "mouse") this.toggle(); });
    this.#video.addEventListener("dblclick", (event) => { if (event.pointerType !== "touch") this.#screen.full(); });
  }
}
