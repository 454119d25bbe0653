// The captions of a recording: send a file, delete them. A part of the recording's dialog.

import { call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, toast } from "../parts/dom.js";

/** A call takes less than 64 KB: a long text goes in pieces, cut between cues. */
const PIECE_MAX = 20_000;
const names = new Intl.DisplayNames(document.documentElement.lang || "en", { type: "language" });

/** The text in pieces, each of whole cues. */
export function piecesOf(text) {
  const pieces = [""];
  for (const block of text.replace(/\r\n?/g, "\n").split(/\n[ \t]*\n/)) {
    if (pieces.at(-1).length + block.length > PIECE_MAX && pieces.at(-1)) pieces.push("");
    pieces.push(`${pieces.pop()}${block}\n\n`);
  }
  return pieces.filter((piece) => piece.includes("-->"));
}

export class Captions {
  #language = byId("captions-language");
  #file = byId("captions-file");
  #list = byId("captions-list");
  #id = "";

  /** `ask(work)`: do something; what goes wrong is written into the dialog. */
  constructor(ask) {
    this.#language.value = document.documentElement.lang;
    this.#file.addEventListener("change", () => void ask(() => this.#send()));
    this.#list.addEventListener("click", ({ target }) => {
      const { language } = target.closest("button")?.closest("li").dataset ?? {};
      if (language) void ask(() => this.#change(() => call("DELETE", this.#path(language))));
    });
  }

  async open(id) {
    this.#id = id;
    this.#draw([]);
    await this.#load();
  }

  #path(language) {
    return `/videos/${this.#id}/captions/${encodeURIComponent(language)}`;
  }

  async #load() {
    const { captions } = await call("GET", `/videos/${this.#id}`);
    this.#draw(captions);
  }

  async #change(work) {
    await work();
    await this.#load();
  }

  async #send() {
    const [file] = this.#file.files;
    if (!file) return;
    const pieces = piecesOf(await file.text());
    this.#file.value = "";
    let sent = 0;
    await this.#change(async () => {
      for (const text of pieces) {
        const { cues } = await call("PUT", this.#path(this.#language.value.trim()), { text, goes_on: sent > 0 });
        sent += cues;
      }
    });
    toast(translate(sent ? "captions_sent" : "no_captions"));
  }

  #draw(languages) {
    this.#list.replaceChildren(...languages.map((language) => {
      const item = byId("captions-template").content.firstElementChild.cloneNode(true);
      item.dataset.language = language;
      item.querySelector("span").textContent = names.of(language);
      return item;
    }));
  }
}
