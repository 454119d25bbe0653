// The picture of a video for cards, until one comes from the stream: chosen from the device, made small here, since the
// server takes 64 KB, and sent. Whatever the browser can read may be chosen.

import { translate } from "../core/words.js";
import { byId, note } from "../parts/dom.js";
import { drawn, imageOf, sendPicture, smallOf } from "../parts/small_picture.js";

const [WIDTH, HEIGHT] = [1280, 720];
/** What the stream has shown is not theirs to take away. */
const UPLOADED = /\/thumbnail\.jpg(\?|$)/;

export class Thumbnail {
  #file = byId("f-picture");
  #shown = byId("f-picture-shown");
  #remove = byId("f-picture-remove");
  #blob = null;
  #isRemoved = false;

  constructor() {
    this.#file.addEventListener("change", () => void this.#choose(this.#file.files[0]));
    this.#remove.addEventListener("click", () => {
      this.#isRemoved = true;
      this.#blob = null;
      this.#file.value = "";
      this.#show(null);
    });
  }

  /** Begin with the picture that a video has, "" for none. */
  open(path) {
    this.#blob = null;
    this.#isRemoved = false;
    note(byId("f-picture-error"), "");
    this.#show(null);
    if (!UPLOADED.test(path)) return;
    const image = new Image();
    image.onload = () => { if (!this.#blob && !this.#isRemoved) this.#show(image); };
    image.src = path;
  }

  /** Send what was chosen for a video. Returns the path of its picture, "" for none; null: nothing has changed. */
  async save(videoId) {
    if (!this.#blob && !this.#isRemoved) return null;
    const { path = "" } = await sendPicture(`/videos/${videoId}/thumbnail`, this.#blob);
    this.open("");
    return path;
  }

  async #choose(file) {
    const problem = byId("f-picture-error");
    this.#blob = null;
    if (!file) return;
    try {
      const image = await imageOf(file);
      this.#blob = await smallOf(image, WIDTH, HEIGHT);
      this.#isRemoved = false;
      this.#show(image);
      note(problem, "");
    } catch {
      this.#file.value = "";
      note(problem, translate("bad_picture"));
    }
  }

  #show(image) {
    this.#shown.hidden = this.#remove.hidden = !image;
    if (!image) return;
    const small = drawn(image, WIDTH / 4, HEIGHT / 4);
    Object.assign(this.#shown, { width: small.width, height: small.height });
    this.#shown.getContext("2d").drawImage(small, 0, 0);
  }
}
