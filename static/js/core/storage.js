// What this tab remembers over a reload: texts that were not sent, what was open. Where the browser refuses to store
// it, it is remembered until the page goes.

const memory = new Map();

/** The text of a key, "" for none. */
export function recall(key) {
  if (memory.has(key)) return memory.get(key);
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

/** Remember a text; "" forgets it. */
export function remember(key, text) {
  memory.set(key, text);
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch { /* Refused, or full. */ }
}
