// What a viewer of the sample acknowledges: which frames were read, and when by the server's clock. The node joins it
// with when it wrote them (realtime/node/samples.py, docs/latency.md). Touches neither document nor window.

const GETS = 4;
const CALL_TIMEOUT_MS = 10_000;
const WAITING_MAX = 1_000;

const localMs = () => performance.timeOrigin + performance.now();

async function readTime() {
  const response = await fetch("/api/v1/time", { cache: "no-store", signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
  return (await response.json()).now_ms;
}

async function post(body) {
  const response = await fetch("/api/v1/saw", {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: true,
    credentials: "omit",
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  });
  return response.status;
}

/**
 * Return by how many milliseconds the server's clock is ahead of `now`. Of four readings the first, which may have to
 * connect first, does not count; of the others that with the shortest trip does, half of which is the most it is wrong by.
 */
export async function clockOffset({ read = readTime, now = localMs } = {}) {
  const readings = [];
  for (let number = 0; number < GETS; number += 1) {
    const askedAt = now();
    const serverMs = await read();
    const tripMs = now() - askedAt;
    // The server says whole milliseconds, cut off: half of one is what is missing on average.
    if (number) readings.push({ tripMs, offset: serverMs + 0.5 - (askedAt + tripMs / 2) });
  }
  return readings.reduce((best, reading) => (reading.tripMs < best.tripMs ? reading : best)).offset;
}

export class Acknowledgements {
  #waiting = [];
  #offset = null;
  #timer;

  /** Of a connection whose `hello` asked for it. `call(body)`: POST /saw, returns the status. */
  constructor(connection, everyMs, { call = post, offset = clockOffset } = {}) {
    Object.assign(this, { connection, call });
    this.#timer = setInterval(() => void this.#send(), everyMs);
    // Without the server's time there is nothing to acknowledge: the node counts what it waits for as lost.
    offset().then((found) => { this.#offset = found; }, () => this.close());
  }

  /** Note that a frame was read. `number`: the `n` of its hops, which only frames have that are asked for. */
  add(number) {
    if (number !== undefined && this.#waiting.length < WAITING_MAX) this.#waiting.push([number, localMs()]);
  }

  close() {
    clearInterval(this.#timer);
    this.#waiting = [];
  }

  async #send() {
    if (this.#offset === null || !this.#waiting.length) return;
    const frames = this.#waiting.map(([number, readMs]) => [number, Math.floor(readMs + this.#offset)]);
    this.#waiting = [];
    try {
      if ((await this.call({ connection: this.connection, frames })) === 404) this.close();
    } catch { /* The network: it counts as lost. */ }
  }
}
