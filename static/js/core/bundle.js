// Messages to a tab in bundles. In a flood a page that took each one by itself would do little else.

const PAUSE_MS = 100;

/**
 * Return `post(message)`: it goes on at once by `send(messages)`. Those that `mayWait(message)` go in one go every PAUSE_MS
 * where they come faster than that; whatever else comes takes along those that wait. Their order stays.
 */
export function inBundles(send, mayWait) {
  let waiting = [];
  let isOpen = true;

  function flush() {
    if (!waiting.length) return;
    const bundle = waiting;
    waiting = [];
    send(bundle);
  }

  function pause() {
    isOpen = false;
    setTimeout(() => {
      isOpen = true;
      if (!waiting.length) return;
      flush();
      pause();
    }, PAUSE_MS);
  }

  return (message) => {
    waiting.push(message);
    const waits = mayWait(message);
    if (!waits || isOpen) flush();
    if (waits && isOpen) pause();
  };
}
