// One way to the site for what the browser records: a WebSocket and its recorder. They begin together when the site has
// let the picture in, and end together. docs/protocol.md has the messages.

const PATH = "/ws/picture";
const SLICE_MS = 100;
/** A message may have 64 KiB. */
const PIECE_BYTES = 32_768;
const KEYFRAME_MS = 2_000;
export const [LOST, FAILED] = [1006, 1011];
const SOUND_BITS_PER_SECOND = 128_000;

/**
 * What browsers record, the best first. H.264 is copied by the site. In WebM it comes frame by frame. In MP4, which is all
 * that older Safaris have, Chromium holds it back until the next keyframe.
 */
const TYPES = [
  "video/webm;codecs=h264,opus",
  'video/mp4;codecs="avc1.42E01E,opus"',
  'video/mp4;codecs="avc1.42E01E,mp4a.40.2"',
  "video/webm;codecs=vp8,opus",
  "video/mp4",
  "video/webm",
];

/** The first type that this browser records; "" if there is none. */
export const typeToRecord = (isSupported = (type) => MediaRecorder.isTypeSupported(type)) => TYPES.find(isSupported) ?? "";

function addressOf(type) {
  const address = new URL(PATH, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  address.searchParams.set("type", type);
  return address;
}

/** It calls `accepted(isCopied)`, `taken()` each second, and `ended({ closeCode, code, detail, wasTaken })` once. */
export class PictureLine {
  #stream;
  #bitsPerSecond;
  #does;
  #socket;
  #recorder = null;
  #refusal = { code: "", detail: "" };
  #hasEnded = false;
  #sent = 0;
  #waiting = []; // when which byte was sent
  #taken = 0;
  #takenAt = 0;
  /** What the site takes now. */
  bitsPerSecond = 0;

  constructor(stream, { bitsPerSecond, ...does }) {
    this.#stream = stream;
    this.#bitsPerSecond = bitsPerSecond;
    this.#does = does;
    this.#socket = new WebSocket(addressOf(typeToRecord()));
    this.#socket.addEventListener("message", ({ data }) => this.#hear(JSON.parse(data)));
    this.#socket.addEventListener("close", ({ code }) => this.#end(code));
  }

  /** For how long the oldest piece has waited that the site has yet to take. */
  get behindSeconds() {
    return this.#waiting.length ? (performance.now() - this.#waiting[0].at) / 1000 : 0;
  }

  /** Whether the site has taken something of late. */
  get isMoving() {
    return performance.now() - this.#takenAt < 3_000;
  }

  /** End it, with all that is recorded. */
  stop() {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
    else this.#socket.close();
  }

  /** End it now: nothing of it is worth the wait. */
  drop(closeCode = LOST) {
    this.#socket.close();
    this.#end(closeCode);
  }

  #hear({ event, data }) {
    if (event === "accepted") this.#begin(data.is_copied);
    else if (event === "refused") this.#refusal = data;
    else if (event === "taken") this.#note(data.bytes);
  }

  #begin(isCopied) {
    if (this.#hasEnded) return;
    try {
      this.#record();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this.#refusal = { code: error.name, detail: "" };
      this.drop(FAILED);
      return;
    }
    this.#takenAt = performance.now();
    this.#does.accepted(isCopied);
  }

  #record() {
    this.#recorder = new MediaRecorder(this.#stream, {
      mimeType: typeToRecord(),
      videoBitsPerSecond: this.#bitsPerSecond,
      audioBitsPerSecond: SOUND_BITS_PER_SECOND,
      videoKeyFrameIntervalDuration: KEYFRAME_MS,
    });
    this.#recorder.addEventListener("dataavailable", ({ data }) => this.#send(data));
    this.#recorder.addEventListener("stop", () => this.#socket.close(1000));
    this.#recorder.start(SLICE_MS);
  }

  #send(recorded) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < recorded.size; at += PIECE_BYTES) this.#socket.send(recorded.slice(at, at + PIECE_BYTES));
    this.#sent += recorded.size;
    this.#waiting.push({ sent: this.#sent, at: performance.now() });
  }

  #note(taken) {
    const now = performance.now();
    this.bitsPerSecond = ((taken - this.#taken) * 8_000) / Math.max(1, now - this.#takenAt);
    this.#taken = taken;
    while (this.#waiting.length && this.#waiting[0].sent <= taken) this.#waiting.shift();
    this.#takenAt = now;
    this.#does.taken();
  }

  #end(closeCode) {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#recorder?.state === "recording") this.#recorder.stop();
    this.#does.ended({ closeCode, ...this.#refusal, wasTaken: this.#taken > 0 });
  }
}
