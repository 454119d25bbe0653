// What a page records: camera and microphone, or a screen with the sound of both, as one stream.

/** Width, height, and the bits a second that they need. */
export const QUALITIES = {
  360: { width: 640, height: 360, bitsPerSecond: 800_000 },
  720: { width: 1280, height: 720, bitsPerSecond: 2_500_000 },
  1080: { width: 1920, height: 1080, bitsPerSecond: 4_500_000 },
};
const FRAMES_PER_SECOND = 30;

/** The word (videos/words.py) for an error of the browser. */
const PROBLEMS = { NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy" };
export const problemOf = (error) => `camera.${PROBLEMS[error.name] ?? "failed"}`;

/** Cameras and microphones, by kind. Without a permission they have no names. */
export async function devices() {
  const found = await navigator.mediaDevices.enumerateDevices();
  const ofKind = (kind) => found.filter((device) => device.kind === kind && device.deviceId !== "");
  return { cameras: ofKind("videoinput"), microphones: ofKind("audioinput") };
}

const exactly = (deviceId) => (deviceId ? { deviceId: { exact: deviceId } } : {});

function pictureOf({ quality }) {
  const { width, height } = QUALITIES[quality];
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: FRAMES_PER_SECOND, max: FRAMES_PER_SECOND } };
}

/** `ended()` is called when a device is gone, or the browser's own button has ended it. */
export class Source {
  #ended;
  #kind = "";
  #streams = [];
  #mixing = null;
  #isMuted = false;
  /** What is recorded; null while nothing is on. */
  stream = null;

  constructor(ended) {
    this.#ended = ended;
  }

  /**
   * Turn on what is chosen: { kind: "camera" | "screen", camera, microphone, quality }, devices by their ids. An empty
   * id is the usual one, "none" no microphone. Throws the browser's DOMException.
   */
  async open(chosen) {
    const streams = chosen.kind === "screen" ? await this.#screen(chosen) : [await this.#camera(chosen)];
    this.close(streams[0]);
    this.#kind = chosen.kind;
    this.#streams = streams;
    this.stream = this.#mixed(streams);
    this.mute(this.#isMuted);
    streams[0].getVideoTracks()[0].onended = () => this.#ended();
  }

  /** Silence the microphone, not the sound of the screen. */
  mute(isMuted) {
    this.#isMuted = isMuted;
    for (const track of this.#streams.at(-1)?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  /** Turn off all but `kept`. */
  close(kept = null) {
    for (const stream of this.#streams) if (stream !== kept) for (const track of stream.getTracks()) track.stop();
    void this.#mixing?.close();
    this.#kind = "";
    this.#streams = [];
    this.#mixing = this.stream = null;
  }

  async #camera(chosen) {
    // Chromium's recorder takes a picture that was made smaller as it was: only a size of the camera's own counts.
    const video = { ...pictureOf(chosen), ...exactly(chosen.camera), resizeMode: { ideal: "none" } };
    const audio = chosen.microphone !== "none" && exactly(chosen.microphone);
    try {
      return await navigator.mediaDevices.getUserMedia({ video, audio });
    } catch (error) {
      if (error.name !== "NotFoundError" || !audio) throw error;
      return navigator.mediaDevices.getUserMedia({ video }); // there is no microphone
    }
  }

  /** The screen, and the microphone in a stream of its own. Browsers ask which screen each time: one that is on stays. */
  async #screen(chosen) {
    const screen = this.#kind === "screen" ? this.#streams[0] : await navigator.mediaDevices.getDisplayMedia({ video: pictureOf(chosen), audio: true });
    await screen.getVideoTracks()[0].applyConstraints(pictureOf(chosen));
    if (chosen.microphone === "none") return [screen, new MediaStream()];
    try {
      return [screen, await navigator.mediaDevices.getUserMedia({ audio: exactly(chosen.microphone) })];
    } catch {
      return [screen, new MediaStream()]; // refused, or there is none: the screen is worth sending without it
    }
  }

  /** One stream of one picture and one sound: recorders take no more. */
  #mixed(streams) {
    const sounds = streams.filter((stream) => stream.getAudioTracks().length > 0);
    const tracks = [streams[0].getVideoTracks()[0], ...sounds.flatMap((stream) => stream.getAudioTracks())];
    if (sounds.length < 2) return new MediaStream(tracks);
    this.#mixing = new AudioContext();
    const mixed = this.#mixing.createMediaStreamDestination();
    for (const stream of sounds) this.#mixing.createMediaStreamSource(stream).connect(mixed);
    return new MediaStream([tracks[0], ...mixed.stream.getAudioTracks()]);
  }
}
