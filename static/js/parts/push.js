// Messages of the site to this browser, also while no page of it is open (service-worker.js shows them).

import { ApiError, call } from "../core/api.js";

const KEPT = "push-kept";
const isThere = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

const bytes = (key) => Uint8Array.from(atob(key.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));

/** Have the browser take messages that are signed with this key; one of another key is worthless. */
async function subscription(manager, key) {
  const options = { userVisibleOnly: true, applicationServerKey: bytes(key) };
  try {
    return await manager.subscribe(options);
  } catch (problem) {
    const former = await manager.getSubscription();
    if (!former) throw problem;
    await former.unsubscribe();
    return manager.subscribe(options);
  }
}

async function signUp() {
  const { key } = await call("GET", "/me/push");
  await navigator.serviceWorker.register("/service-worker.js");
  const { pushManager } = await navigator.serviceWorker.ready;
  const { endpoint, keys: { p256dh, auth } } = (await subscription(pushManager, key)).toJSON();
  await call("PUT", "/me/push", { endpoint, keys: { p256dh, auth } });
}

/** Whether this browser could show messages, and has not been asked. */
export const mayAsk = () => isThere && Notification.permission === "default";

/** Ask the person, and have the site send to this browser. Returns "", or the key of a text that says why not. */
async function refusal() {
  if (!isThere) return "push_unsupported";
  if (await Notification.requestPermission() !== "granted") return "push_denied";
  try {
    await signUp();
    return "";
  } catch (problem) {
    return problem instanceof ApiError && problem.passing ? "unavailable" : "push_failed";
  }
}

/**
 * Find a way to tell the person something later. Returns `{ refusal }`, the key of a text that says why there is none, or
 * `{ byMail }`: their browser takes no messages, but they have a confirmed address.
 */
export async function allowMessages() {
  const refused = await refusal();
  if (!refused) return { byMail: false };
  try {
    if ((await call("GET", "/me/push")).mail) return { byMail: true };
  } catch { /* What the browser said is reason enough. */ }
  return { refusal: refused };
}

/** A browser that has said yes stays known to the site, under who is signed in now: once a tab. */
export async function keepPush() {
  if (!isThere || Notification.permission !== "granted") return;
  try {
    const registered = await navigator.serviceWorker.getRegistration("/");
    if (sessionStorage.getItem(KEPT) || !await registered?.pushManager.getSubscription()) return;
    await signUp();
    sessionStorage.setItem(KEPT, "yes");
  } catch { /* The next page tries again. */ }
}
