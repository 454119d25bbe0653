// The page of messages: the inbox as the watch page has it beside the picture, with room of its own.

import { whenNameless } from "../core/api.js";
import { HubClient } from "../core/client.js";
import { broadcast, onBroadcast } from "../core/tabs.js";
import { translate } from "../core/words.js";
import { Inbox } from "../inbox/inbox.js";
import { byId, toast } from "../parts/dom.js";
import "../parts/page.js";
import { EVENTS, KINDS } from "../topics.js";
import { ConnectionState } from "../watch/connection-state.js";
import { Guest } from "../watch/guest.js";
import "../watch/me.js";
import { Blocked } from "./blocked.js";
import { idInAddress, PageFrame } from "./frame.js";
import { NewConversation } from "./new-conversation.js";

// One who looks elsewhere for long is not online by this page.
const HIDDEN_MS = 300_000;

const tools = [byId("new-conversation"), byId("show-blocked")];

const store = {
  state: JSON.parse(byId("state").textContent),
  dispatch(name, { viewer }) {
    if (name !== "local_viewer" || viewer?.id === store.state.viewer?.id) return;
    store.state = { viewer };
    draw();
  },
  draw,
};

const guest = new Guest({ store });
const asViewer = (work) => guest.asViewer(work);
const connectionState = new ConnectionState();
const client = new HubClient({
  worker: new URL("../worker.js", import.meta.url),
  kinds: KINDS,
  events: EVENTS,
  viewer: store.state.viewer?.id ?? null,
  changed: showConnection,
  signedOut: () => store.dispatch("local_viewer", { viewer: null }),
});
const inbox = new Inbox({
  viewer: store.state.viewer, client, asViewer, frame: new PageFrame(),
  blocked: (ids) => broadcast("blocked", { viewer: store.state.viewer, blocked: ids }),
});
const [newConversation, blocked] = [new NewConversation({ inbox }), new Blocked()];

function draw() {
  const { viewer } = store.state;
  inbox.identify(viewer);
  client.identify(viewer?.id ?? null);
  guest.render(store.state);
  for (const tool of tools) tool.hidden = !viewer;
}

function showConnection(state, refusal) {
  connectionState.show(store.state.viewer ? state : "live", refusal);
  if (state === "live") inbox.wake();
}

tools[0].addEventListener("click", () => newConversation.open());
tools[1].addEventListener("click", () => void blocked.open());
for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
addEventListener("popstate", () => void inbox.goTo(idInAddress()));

onBroadcast("viewer", ({ viewer }) => store.dispatch("local_viewer", { viewer }));
broadcast("viewer", { viewer: store.state.viewer });
whenNameless(() => {
  if (!store.state.viewer) return;
  store.dispatch("local_viewer", { viewer: null });
  toast(translate("nameless"));
});

let hiddenTimer;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => client.pause(), HIDDEN_MS);
  else {
    client.start();
    inbox.seen();
  }
});

draw();
client.start();

// Written to from elsewhere on the site: /messages/?to=<viewer id>
const to = new URLSearchParams(location.search).get("to");
if (to) {
  history.replaceState(null, "", location.pathname);
  void inbox.message({ id: to });
}
