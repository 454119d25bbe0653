// A name, and one is a viewer: one field, one click, remembered on this device.

import { ApiError, call, csrfToken } from "../core/api.js";
import { byId, note, paintFace, toast } from "../parts/dom.js";
import { tell } from "../core/tabs.js";
import { say } from "../core/words.js";

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

/** Wire the forms that ask for a name. Returns `asViewer(work)`: run it now, or as soon as the viewer has a name. */
export function setUpGuest({ store }) {
  const dialog = byId("guest-dialog");
  let waiting = null;

  async function join(form) {
    const [field, error, button] = [form.elements.name, form.querySelector(".error"), form.querySelector("button")];
    const name = field.value.trim();
    const fail = (text) => {
      note(error, text);
      field.setAttribute("aria-invalid", "true");
      field.focus();
    };
    if (!name) return fail(say("name_missing"));
    button.disabled = true;
    try {
      const answer = await call("POST", "/guests", { name });
      const viewer = { ...answer.viewer, is_guest: true };
      remember(viewer.name);
      note(error, "");
      field.removeAttribute("aria-invalid");
      joined(viewer, form);
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      fail(problem.status === 422 && problem.detail ? problem.detail : problem.advice);
    } finally {
      button.disabled = false;
    }
  }

  function joined(viewer, form) {
    const inDialog = dialog.open;
    store.dispatch("local_viewer", { viewer });
    tell("viewer", { viewer });
    store.draw();
    const work = waiting;
    waiting = null;
    if (inDialog) dialog.close();
    toast(say("welcome", { name: viewer.name }));
    if (work) work();
    else byId(form.dataset.guest || "body").focus();
  }

  for (const form of document.querySelectorAll("[data-guest]")) {
    form.elements.name.value ||= remembered();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void join(form);
    });
  }
  dialog.addEventListener("close", () => { waiting = null; });
  byId("log-out").addEventListener("submit", (event) => { event.currentTarget.elements.csrfmiddlewaretoken.value = csrfToken(); });

  const drawnFor = store.state.viewer?.id;
  let shown = drawnFor;
  const showIf = (mark, is) => { for (const part of document.querySelectorAll(`[data-${mark}]`)) part.hidden = !is; };
  return {
    asViewer(work) {
      if (store.state.viewer) return work();
      waiting = work;
      dialog.showModal();
      byId("guest-name").select();
    },
    render({ viewer }) {
      if (viewer?.id === shown) return;
      shown = viewer?.id;
      const [face, name] = [document.querySelector("[data-viewer-face]"), document.querySelector("[data-viewer-name]")];
      face.hidden = !viewer;
      showIf("viewer-only", viewer);
      showIf("nobody", !viewer);
      showIf("guest-only", viewer?.is_guest);
      showIf("no-account", !viewer || viewer.is_guest);
      // What the server drew for its viewer alone.
      showIf("own", viewer?.id === drawnFor);
      name.hidden = !viewer;
      name.firstElementChild.textContent = viewer?.name ?? "";
      if (viewer) paintFace(face, viewer.name);
    },
  };
}
