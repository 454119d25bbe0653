// A name, and one is a viewer: one field, one click, remembered on this device.

import { ApiError, call, csrfToken } from "../core/api.js";
import { byId, note, paintFace, toast } from "../parts/dom.js";
import { broadcast } from "../core/tabs.js";
import { translate } from "../core/words.js";

const KEPT = "guest-name";

// Private windows may refuse storage; then the name is only not remembered.
function remembered() {
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}
function remember(name) {
  try {
    localStorage.setItem(KEPT, name);
  } catch { /* Not remembered. */ }
}

const showIf = (mark, is) => { for (const part of document.querySelectorAll(`[data-${mark}]`)) part.hidden = !is; };

export class Guest {
  #dialog = byId("guest-dialog");
  #waiting = null;
  #drawnFor;
  #shown;

  /** Wire the forms that ask for a name. `store`: the page's state. */
  constructor({ store }) {
    this.store = store;
    // What the server drew for its viewer alone.
    this.#shown = store.state.viewer;
    this.#drawnFor = this.#shown?.id;
    for (const form of document.querySelectorAll("[data-guest]")) {
      form.elements.name.value ||= remembered();
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        void this.#join(form);
      });
    }
    this.#dialog.addEventListener("close", () => { this.#waiting = null; });
    byId("log-out").addEventListener("submit", (event) => { event.currentTarget.elements.csrfmiddlewaretoken.value = csrfToken(); });
  }

  /** Run it now, or as soon as the viewer has a name. */
  asViewer(work) {
    if (this.store.state.viewer) return work();
    this.#waiting = work;
    this.#dialog.showModal();
    byId("guest-name").select();
  }

  render({ viewer }) {
    if (viewer?.id === this.#shown?.id && viewer?.name === this.#shown?.name && viewer?.picture === this.#shown?.picture) return;
    if (viewer && viewer.id === this.#shown?.id && viewer.name !== this.#shown.name) toast(translate("renamed", { name: viewer.name }));
    this.#shown = viewer;
    showIf("viewer-only", viewer);
    showIf("nobody", !viewer);
    showIf("guest-only", viewer?.is_guest);
    showIf("no-account", !viewer || viewer.is_guest);
    showIf("own", viewer?.id === this.#drawnFor);
    const [face, name] = [document.querySelector("[data-viewer-face]"), document.querySelector("[data-viewer-name]")];
    face.hidden = name.hidden = !viewer;
    name.firstElementChild.textContent = viewer?.name ?? "";
    if (viewer) paintFace(face, viewer);
  }

  async #join(form) {
    const [field, error, button] = [form.elements.name, form.querySelector(".error"), form.querySelector("button")];
    const name = field.value.trim();
    const fail = (text) => {
      note(error, text);
      field.setAttribute("aria-invalid", "true");
      field.focus();
    };
    if (!name) return fail(translate("name_missing"));
    button.disabled = true;
    try {
      const answer = await call("POST", "/guests", { name, video: this.store.state.video?.id });
      const viewer = { ...answer.viewer, is_guest: true };
      remember(viewer.name);
      note(error, "");
      field.removeAttribute("aria-invalid");
      this.#joined(viewer, form);
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      fail([409, 422].includes(problem.status) && problem.detail ? problem.detail : problem.advice);
    } finally {
      button.disabled = false;
    }
  }

  #joined(viewer, form) {
    const isInDialog = this.#dialog.open;
    this.store.dispatch("local_viewer", { viewer });
    broadcast("viewer", { viewer });
    this.store.draw();
    const work = this.#waiting;
    this.#waiting = null;
    if (isInDialog) this.#dialog.close();
    toast(translate("welcome", { name: viewer.name }));
    if (work) work();
    else byId(form.dataset.guest || "body").focus();
  }
}
