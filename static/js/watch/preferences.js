// What the player remembers on this device: volume, sound, data saver. Where the browser refuses to store it, it is
// remembered until the page goes.

const PREFIX = "player.";
const QUIETEST = 0.1;
const memory = new Map();

/** The value of a key, "" for none. */
export function preference(key) {
  if (!memory.has(key)) memory.set(key, stored(key));
  return memory.get(key);
}

/** Slow: a browser may ask another process for it. Some are asked for with every event. */
function stored(key) {
  try {
    return localStorage.getItem(PREFIX + key) ?? "";
  } catch {
    return "";
  }
}

// Another tab has changed it.
addEventListener("storage", ({ key }) => { if (key?.startsWith(PREFIX)) memory.delete(key.slice(PREFIX.length)); });

export function prefer(key, value) {
  memory.set(key, String(value));
  try {
    localStorage.setItem(PREFIX + key, String(value));
  } catch { /* Refused, or full. */ }
}

export const wantsSound = () => preference("sound") === "on";
export const volumeWanted = () => Math.min(1, Math.max(QUIETEST, Number(preference("volume") || 1)));

/** A volume that is nearly none is not remembered. */
export function preferVolume(volume) {
  if (volume >= QUIETEST) prefer("volume", volume);
}

/** Whether the viewer wants to save data: by their choice, else as their device says. */
export const savesData = () => (preference("saver") ? preference("saver") === "on" : Boolean(navigator.connection?.saveData));
