// What the tabs of one browser tell each other: who looks, what was liked. Everything else comes from the server.

const channel = new BroadcastChannel("tabs");

export const tell = (name, data) => channel.postMessage({ name, data });

/** Call `work(data)` when another tab tells this. */
export function hear(name, work) {
  channel.addEventListener("message", ({ data: message }) => {
    if (message.name === name) work(message.data);
  });
}
