// What is said to the viewer while they see it here is no news: the bell does not count it. Loaded when it has something new.

import { ApiError, call } from "../core/api.js";
import { byId } from "../parts/dom.js";

let seenMs = 0;

/** Whether some of an element can be seen in the box that scrolls it. */
function isInView(element, box) {
  const [{ top, bottom, height }, frame] = [element.getBoundingClientRect(), box.getBoundingClientRect()];
  return height > 0 && bottom > frame.top && top < frame.bottom && element.checkVisibility({ checkVisibilityCSS: true });
}

/** Say that the comments for the viewer that are in view are seen. */
export async function seeInView(videoId) {
  if (document.hidden) return;
  const inView = [...byId("list").querySelectorAll(".comment.for-me")].filter((item) => isInView(item, byId("scroller")));
  const untilMs = Math.max(0, ...inView.map((item) => Date.parse(item.querySelector("time")?.dateTime) || 0));
  if (untilMs <= seenMs) return;
  try {
    await call("PUT", "/me/notices/seen", { until_ms: untilMs, video_id: videoId }, { quietly: true });
    seenMs = untilMs;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The next one says it, too.
  }
}
