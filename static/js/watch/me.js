// The account menu's switch "Appear offline": asked for when the menu opens, for another device may have changed it.
// Other tabs show it too.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";
import { broadcast, onBroadcast } from "../core/tabs.js";

const [menu, button, failed] = ["menu", "appear-offline", "appear-failed"].map(byId);

const show = (isHidden) => button.setAttribute("aria-checked", String(isHidden));
onBroadcast("hidden", ({ isHidden }) => show(isHidden));

/** Do something with the switch off its hook; show what the server says. */
async function ask(work) {
  button.setAttribute("aria-disabled", "true");
  failed.hidden = true;
  try {
    const { is_hidden: isHidden } = await work();
    show(isHidden);
    broadcast("hidden", { isHidden });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failed.hidden = false;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

menu.addEventListener("toggle", (event) => {
  if (event.newState === "open" && !byId("my-presence").hidden) void ask(() => call("GET", "/me"));
});
button.addEventListener("click", () => {
  if (button.getAttribute("aria-disabled")) return;
  void ask(() => call("PUT", "/me/presence", { is_hidden: button.getAttribute("aria-checked") !== "true" }));
});
