// "Send from this page": a broadcaster's camera or screen, without any other program. It works the card; what it is made of
// is beside it: the stream (camera-source.js), its way to the site (camera-sender.js), the level (camera-meter.js).

import { byId, note } from "../parts/dom.js";
import { translate } from "../core/words.js";
import { typeToRecord } from "./camera-line.js";
import { LevelMeter } from "./camera-meter.js";
import { Sender } from "./camera-sender.js";
import { QUALITIES, Source, devices, problemOf } from "./camera-source.js";

const BEHIND_SECONDS = 3;

/** Why this browser cannot send, as the key of a word; "" if it can. */
function obstacle() {
  if (!navigator.mediaDevices) return "camera.insecure";
  return typeof MediaRecorder === "undefined" || typeToRecord() === "" ? "camera.unsupported" : "";
}

class CameraCard {
  #card;
  #preview = byId("camera-preview");
  #fields = { camera: byId("camera-device"), microphone: byId("camera-microphone"), quality: byId("camera-quality") };
  #problem = byId("camera-problem");
  #meter = new LevelMeter(byId("camera-level"));
  #source = new Source(() => this.#off("camera.ended"));
  #sender = new Sender((state) => this.#draw(state));
  #kind = "camera"; // that is on
  #isMuted = false;
  #awake = null;

  constructor(card) {
    this.#card = card;
    const obstacleFound = obstacle();
    note(this.#problem, obstacleFound && translate(obstacleFound));
    if (obstacleFound) return;
    for (const control of card.querySelectorAll("[disabled]")) control.disabled = false;
    card.querySelector("fieldset [value=screen]").parentElement.hidden = !navigator.mediaDevices.getDisplayMedia;
    card.addEventListener("change", () => void this.#choose());
    byId("camera-on").addEventListener("click", () => void this.#turnOn());
    byId("camera-off").addEventListener("click", () => this.#off());
    byId("camera-start").addEventListener("click", () => this.#start());
    byId("camera-stop").addEventListener("click", () => this.#sender.stop());
    byId("camera-mute").addEventListener("click", () => this.#mute(!this.#isMuted));
    this.#preview.addEventListener("resize", () => {
      // A phone was turned, or the window that is shown has another size now.
      if (this.#sender.mustKeepSize) this.#sender.replace(this.#source.stream);
    });
    navigator.mediaDevices.addEventListener("devicechange", () => void this.#listDevices());
    addEventListener("beforeunload", (event) => {
      if (this.#sender.isOn) event.preventDefault();
    });
    this.#draw({ phase: "off" });
  }

  get #chosen() {
    const values = Object.entries(this.#fields).map(([name, field]) => [name, field.value]);
    return { kind: this.#card.querySelector("[name=camera-kind]:checked").value, ...Object.fromEntries(values) };
  }

  /** Show another device or quality at once, if one is on; what is sent goes on with it. */
  async #choose() {
    this.#drawKind();
    if (this.#source.stream) await this.#turnOn();
  }

  async #turnOn() {
    const wasOn = this.#sender.isOn;
    try {
      await this.#source.open(this.#chosen);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      note(this.#problem, translate(problemOf(error), { name: error.name }));
      if (this.#source.stream) this.#card.querySelector(`[value=${this.#kind}]`).checked = true;
      this.#drawKind();
      return;
    }
    this.#kind = this.#chosen.kind;
    note(this.#problem, "");
    this.#preview.srcObject = this.#source.stream;
    this.#meter.show(this.#source.stream);
    if (wasOn) this.#sender.replace(this.#source.stream, this.#wantedBits);
    else this.#draw({ phase: "off" });
    await this.#listDevices();
  }

  #off(why = "") {
    if (this.#sender.isOn) this.#sender.stop();
    this.#source.close();
    this.#preview.srcObject = null;
    this.#meter.show(null);
    this.#draw({ phase: "off" });
    note(this.#problem, why && translate(why));
  }

  #start() {
    note(this.#problem, "");
    this.#sender.start(this.#source.stream, this.#wantedBits);
  }

  get #wantedBits() {
    return QUALITIES[this.#fields.quality.value].bitsPerSecond;
  }

  #mute(isMuted) {
    this.#isMuted = isMuted;
    this.#source.mute(isMuted);
    byId("camera-mute").setAttribute("aria-pressed", String(isMuted));
  }

  async #listDevices() {
    const { cameras, microphones } = await devices();
    fill(this.#fields.camera, cameras);
    fill(this.#fields.microphone, microphones);
  }

  #drawKind() {
    this.#fields.camera.closest(".form-row").hidden = this.#chosen.kind === "screen";
    byId("camera-on").textContent = translate(`camera.on.${this.#chosen.kind}`);
    this.#preview.classList.toggle("mirrored", this.#chosen.kind === "camera");
  }

  #draw(state) {
    const [isOpen, isOn] = [this.#source.stream !== null, this.#sender.isOn];
    this.#drawKind();
    this.#preview.parentElement.classList.toggle("on", isOpen);
    for (const [id, isShown] of [["camera-on", !isOpen], ["camera-off", isOpen && !isOn], ["camera-start", isOpen && !isOn], ["camera-stop", isOn], ["camera-mute", isOpen]]) {
      byId(id).hidden = !isShown;
    }
    byId("camera-sound").hidden = !isOpen;
    this.#card.dataset.phase = state.phase;
    const words = wordsOf(state);
    // Screen readers say what is written, also when it is the same.
    if (byId("camera-words").textContent !== words) note(byId("camera-words"), words);
    note(byId("camera-numbers"), numbersOf(state));
    if (state.phase === "refused") note(this.#problem, state.detail || translate("camera.refused"));
    void this.#keepAwake(isOn);
  }

  /** A phone whose screen goes dark turns its camera off. */
  async #keepAwake(isOn) {
    if (!isOn) {
      void this.#awake?.release();
      this.#awake = null;
    } else if (!this.#awake && navigator.wakeLock && document.visibilityState === "visible") {
      try {
        this.#awake = await navigator.wakeLock.request("screen");
        this.#awake.addEventListener("release", () => { this.#awake = null; });
      } catch { /* The battery is low, or the page is hidden: then it is the person's to keep awake. */ }
    }
  }
}

/** Put the devices into the choice, behind what the page has there itself. */
function fill(field, found) {
  const chosen = field.value;
  for (const option of [...field.options]) if (option.dataset.device) option.remove();
  for (const [number, { deviceId, label }] of found.entries()) {
    const option = new Option(label || translate("camera.unnamed", { n: number + 1 }), deviceId);
    option.dataset.device = "1";
    field.add(option);
  }
  field.value = [...field.options].some(({ value }) => value === chosen) ? chosen : "";
}

function wordsOf({ phase, code, detail, behindSeconds }) {
  if (phase === "lost" && code === "slow") return translate("camera.slow");
  if (phase === "lost" && detail) return `${detail} ${translate("camera.again")}`;
  if (phase === "sending" && behindSeconds > BEHIND_SECONDS) return translate("camera.behind", { n: Math.round(behindSeconds) });
  return phase === "off" || phase === "refused" ? "" : translate(`camera.${phase}`);
}

function numbersOf({ phase, bitsPerSecond, isCopied }) {
  if (phase !== "sending") return "";
  const rate = bitsPerSecond ? `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s · ` : "";
  return rate + translate(isCopied ? "camera.copied" : "camera.encoded");
}

const card = byId("camera-card");
if (card) new CameraCard(card);
