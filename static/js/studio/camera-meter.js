// How loud the sound is that would be sent, as a meter: from -60 dB, which is silence, to 0, which is too loud.

import { reducedMotion } from "../parts/dom.js";

const FLOOR_DB = -60;
const CALM_MS = 1_000;

/** The part of the meter that is full, of samples between -1 and 1. */
export function levelOf(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const decibels = power > 0 ? 10 * Math.log10(power) : FLOOR_DB;
  return Math.max(0, Math.min(1, 1 - decibels / FLOOR_DB));
}

export class LevelMeter {
  #meter;
  #context = null;
  #analyser = null;
  #samples = new Float32Array(1024);

  constructor(meter) {
    this.#meter = meter;
  }

  /** Show the sound of a stream; null: of none. */
  show(stream) {
    void this.#context?.close();
    this.#context = this.#analyser = null;
    this.#meter.value = 0;
    if (!stream?.getAudioTracks().length) return;
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.#draw(this.#analyser);
  }

  #draw(analyser) {
    if (analyser !== this.#analyser) return;
    analyser.getFloatTimeDomainData(this.#samples);
    this.#meter.value = levelOf(this.#samples);
    if (reducedMotion.matches) setTimeout(() => this.#draw(analyser), CALM_MS);
    else requestAnimationFrame(() => this.#draw(analyser));
  }
}
