// How loud the sound is that would be sent, as a meter: from -60 dB, which is silence, to 0, which is too loud.

import { reducedMotion } from "../parts/dom.js";

const FLOOR_DB = -60;
const CALM_MS = 1_000;
const LISTEN_MS = 40;
/** So many samples are as long as that, at 48 kHz: nothing is missed. */
const SAMPLES = 2_048;

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
  #samples = new Float32Array(SAMPLES);
  /** Since the meter was drawn. */
  #loudest = 0;
  #drawnAt = 0;

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
    this.#analyser = new AnalyserNode(this.#context, { fftSize: SAMPLES });
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.#listen(this.#analyser);
  }

  #listen(analyser) {
    if (analyser !== this.#analyser) return;
    analyser.getFloatTimeDomainData(this.#samples);
    this.#loudest = Math.max(this.#loudest, levelOf(this.#samples));
    if (performance.now() - this.#drawnAt >= (reducedMotion.matches ? CALM_MS : 0)) this.#draw();
    setTimeout(() => this.#listen(analyser), LISTEN_MS);
  }

  #draw() {
    this.#meter.value = this.#loudest;
    this.#loudest = 0;
    this.#drawnAt = performance.now();
  }
}
