// How a broadcaster sends a picture: the server and the stream key, each to be copied; another key.

import { ApiError, call } from "../core/api.js";
import { byId, copyLink, note, toast } from "../parts/dom.js";
import { translate } from "../core/words.js";

const EVERY_MS = 5_000;
const HIDDEN = "•".repeat(24);

/**
 * Show server and key in the card, and let them be copied. The key is hidden until it is asked for. An encoder that is
 * refused is named there too.
 */
export function showKey(card) {
  const problem = card.querySelector(".error");
  const dialog = byId("key-dialog");
  let known = null;
  let isShown = false;

  function draw() {
    byId("key-server").value = known.servers.rtmp ?? "";
    byId("key-value").value = isShown ? known.key : HIDDEN;
    const { srt = "" } = known.servers;
    byId("key-srt").value = isShown ? srt : srt.replace(known.key, HIDDEN);
    byId("key-srt-row").hidden = !srt;
    byId("key-show").textContent = translate(isShown ? "hide" : "show");
    for (const button of card.querySelectorAll("button")) button.disabled = false;
  }

  async function ask(method, done) {
    try {
      known = await call(method, "/me/stream-key");
      note(problem, known.trouble);
      draw();
      if (done) toast(translate(done));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(problem, error.advice);
    }
  }

  byId("key-show").addEventListener("click", () => {
    isShown = !isShown;
    draw();
  });
  byId("key-copy-server").addEventListener("click", () => void copyLink(known.servers.rtmp));
  byId("key-copy-srt").addEventListener("click", () => void copyLink(known.servers.srt, "key_not_copied"));
  byId("key-copy").addEventListener("click", () => void copyLink(known.key, "key_not_copied"));
  byId("key-replace").addEventListener("click", () => dialog.showModal());
  byId("key-replace-yes").addEventListener("click", () => {
    dialog.close();
    void ask("POST", "key_replaced");
  });
  void ask("GET");
  setInterval(() => document.hidden || void ask("GET"), EVERY_MS);
}
