// Pictures made small before they are sent, since the server takes 64 KB. Whatever the browser can read may be chosen.

import { ApiError, csrfToken } from "../core/api.js";

const MAX_BYTES = 60_000;
const FILE_MAX_BYTES = 30_000_000;
const QUALITIES = [0.85, 0.7, 0.55, 0.4, 0.25];
/** Widths to try, as shares: a picture with much detail has to be smaller. */
const SIZES = [1, 0.75, 0.5];

const blobOf = (canvas, quality) => new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", quality); });

/** Read a file that somebody has chosen. Throws what is no picture, or too large. */
export async function imageOf(file) {
  if (file.size > FILE_MAX_BYTES) throw new RangeError(file.name);
  return createImageBitmap(file);
}

/** A canvas of this size, filled by the middle of the image. */
export function drawn(image, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const scale = Math.max(canvas.width / image.width, canvas.height / image.height);
  const [wide, high] = [image.width * scale, image.height * scale];
  canvas.getContext("2d").drawImage(image, (canvas.width - wide) / 2, (canvas.height - high) / 2, wide, high);
  return canvas;
}

/** A PNG with the whole of the image, of so many pixels each way at most. */
export async function wholeOf(image, pixels) {
  const scale = pixels / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  if (blob && blob.size <= MAX_BYTES) return blob;
  if (pixels <= 32) throw new RangeError("too much detail");
  return wholeOf(image, pixels / 2);
}

/** A JPEG of at most this size that the server takes. Throws if there is none. */
export async function smallOf(image, width, height) {
  for (const share of SIZES) {
    const canvas = drawn(image, width * share, height * share);
    for (const quality of QUALITIES) {
      const blob = await blobOf(canvas, quality);
      if (blob && blob.size <= MAX_BYTES) return blob;
    }
  }
  throw new RangeError("too much detail");
}

/** Send a picture to a call of the API; without one: have it removed. Returns the answer, `{}` for an empty one. Throws ApiError. */
export async function sendPicture(path, picture = null) {
  const headers = { Accept: "application/json", "X-CSRFToken": csrfToken() };
  if (picture) headers["Content-Type"] = picture.type;
  let response;
  try {
    response = await fetch(`/api/v1${path}`, { method: picture ? "PUT" : "DELETE", headers, body: picture, credentials: "same-origin" });
  } catch {
    throw new ApiError({});
  }
  const text = await response.text();
  const answer = text.startsWith("{") ? JSON.parse(text) : {};
  if (!response.ok) throw new ApiError({ status: response.status, ...answer });
  return answer;
}
