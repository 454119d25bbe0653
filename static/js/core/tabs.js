// What the tabs of one browser send each other: who looks, what was liked. Everything else comes from the server.

const channel = new BroadcastChannel("tabs");

export const broadcast = (name, data) => channel.postMessage({ name, data });

/** Call `work(data)` when another tab has sent this. */
export function onBroadcast(name, work) {
  channel.addEventListener("message", ({ data: message }) => {
    if (message.name === name) work(message.data);
  });
}
