// The broadcaster's channel beside the video: follow it; be reminded of a planned broadcast. Loaded after the rest.

import { ApiError, call } from "../core/api.js";
import { translate } from "../core/words.js";
import { byId, toast } from "../parts/dom.js";
import { Follow } from "../parts/follow.js";
import { allowMessages, keepPush } from "../parts/push.js";

const says = (text) => { if (text) toast(text); };

/** Do what a press asks for; say what went wrong. Returns whether it was done. */
async function done(work) {
  try {
    await work();
    return true;
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    says(problem.advice);
    return false;
  }
}

/** The button of an upcoming video that asks for a message before it starts. */
class Reminder {
  #button = byId("remind-template").content.firstElementChild.cloneNode(true);

  constructor({ videoId, asViewer }) {
    this.path = `/videos/${videoId}/reminder`;
    const [acts, calendar] = [document.createElement("div"), byId("to-calendar")];
    acts.className = "curtain-acts";
    calendar.before(acts);
    acts.append(this.#button, calendar);
    this.#button.addEventListener("click", () => asViewer(() => void this.#press()));
  }

  show(is) {
    this.#button.setAttribute("aria-pressed", String(is));
  }

  async read() {
    this.show((await call("GET", this.path)).reminds);
  }

  async #press() {
    const wanted = this.#button.getAttribute("aria-pressed") !== "true";
    const { refusal, byMail } = wanted ? await allowMessages() : {};
    if (refusal) return says(translate(refusal));
    if (!await done(() => call(wanted ? "PUT" : "DELETE", this.path))) return;
    this.show(wanted);
    says(translate(wanted ? (byMail ? "reminder_mail" : "reminder_on") : "reminder_off"));
  }
}

export class Channel {
  #parts = [];
  #buttons = [...byId("follow-template").content.cloneNode(true).children];
  #drawnFor;

  constructor({ state, asViewer }) {
    const { id, status, broadcaster } = state.video;
    this.broadcasterId = broadcaster.id;
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: new URL("../../css/follow.css", import.meta.url) });
    style.addEventListener("load", () => document.querySelector(".byline").after(...this.#buttons));
    document.head.append(style);
    const [button, bell] = this.#buttons;
    this.#parts.push(new Follow({ channelId: broadcaster.id, button, bell, asViewer, says }));
    if (status === "upcoming") this.#parts.push(new Reminder({ videoId: id, asViewer }));
    if (state.viewer) void keepPush();
  }

  /** Who looks has changed: what they follow is asked for anew. */
  render({ viewer }) {
    if (viewer?.id === this.#drawnFor) return;
    this.#drawnFor = viewer?.id;
    this.#buttons[0].hidden = viewer?.id === this.broadcasterId;
    if (!viewer) for (const part of this.#parts) part.show(part instanceof Follow ? null : false);
    else for (const part of this.#parts) part.read().catch(() => { /* It stays as it is shown. */ });
  }
}
