// What the player remembers on this device: volume, sound, data saver. Where the browser refuses to store it, it is
// remembered until the page goes.

const PREFIX = "player.";
const memory = new Map();

/** The value of a key, "" for none. */
export function preference(key) {
  if (memory.has(key)) return memory.get(key);
  try {
    return localStorage.getItem(PREFIX + key) ?? "";
  } catch {
    return "";
  }
}

export function prefer(key, value) {
  memory.set(key, String(value));
  try {
    localStorage.setItem(PREFIX + key, String(value));
  } catch { /* Refused, or full. */ }
}
