// Reads the clock that benchmarks/glass.py draws into its picture: a row of cells on the upper edge, one a bit of the time
// in ms, the least one first. Runs in each page before its own scripts.

(() => {
  const [BITS, CELL, ROW] = [20, 8, 1 / 9];
  const RANGE_MS = 2 ** BITS;
  const READ_EVERY_MS = 200;
  const canvas = new OffscreenCanvas(BITS * CELL, CELL);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let video;
  let readAt = 0;

  function clock() {
    pen.drawImage(video, 0, 0, video.videoWidth, video.videoHeight * ROW, 0, 0, BITS * CELL, CELL);
    const { data } = pen.getImageData(0, CELL / 2, BITS * CELL, 1);
    let ms = 0;
    for (let bit = 0; bit < BITS; bit += 1) if (data[(bit * CELL + CELL / 2) * 4] > 128) ms += 2 ** bit;
    return ms;
  }

  /** The time of the clock that is nearest to another time. */
  function momentNear(nearMs) {
    const ahead = (((clock() - nearMs) % RANGE_MS) + RANGE_MS) % RANGE_MS;
    return nearMs + (ahead > RANGE_MS / 2 ? ahead - RANGE_MS : ahead);
  }

  const timeOf = (item) => Date.parse(item.querySelector("time").dateTime);

  const glass = {
    /** [when it was shown, when it was taken], for some of the frames. */
    frames: [],
    /** [when the frame was taken that was shown when it came, when it was written], for each comment. */
    comments: [],
    /** Go to a second; return how long it took until the newest of these comments before its frame was the last shown. */
    async goTo(second, times) {
      const from = performance.now();
      const arrived = new Promise((done) => { video.addEventListener("seeked", done, { once: true }); });
      video.currentTime = second;
      await arrived;
      while (performance.now() - from < 10_000) {
        await new Promise(requestAnimationFrame);
        const now = momentNear(times[0]);
        const last = document.querySelector("#list > :last-child");
        if (last && timeOf(last) === times.findLast((ms) => ms <= now)) return performance.now() - from;
      }
      return null;
    },
    async playFrom(second, times, speed) {
      await glass.goTo(second, times);
      glass.comments.length = 0;
      video.playbackRate = speed;
    },
  };
  globalThis.glass = glass;

  function shown(_, { expectedDisplayTime }) {
    const atMs = performance.timeOrigin + expectedDisplayTime;
    if (atMs - readAt >= READ_EVERY_MS) {
      readAt = atMs;
      glass.frames.push([atMs, momentNear(atMs)]);
    }
    video.requestVideoFrameCallback(shown);
  }

  addEventListener("DOMContentLoaded", () => {
    video = document.querySelector("#picture");
    if (!video) return;
    video.requestVideoFrameCallback(shown);
    new MutationObserver((records) => {
      const items = records.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node.matches?.(".comment"));
      if (!video.videoWidth) return;
      for (const item of items) glass.comments.push([momentNear(timeOf(item)), timeOf(item)]);
    }).observe(document.querySelector("#list"), { childList: true });
  });
})();
