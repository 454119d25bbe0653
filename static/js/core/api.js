// Calls of /api/v1 with the session cookie. Every failure is an ApiError with advice for the viewer.

import { translate } from "./words.js";

const TIMEOUT_MS = 15_000;
/** Refusals with a text of their own. */
const WITH_TEXT = new Set(["blocked", "not_reachable", "video_ended", "comments_off"]);

export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", detail = "", retryAfter = 0 }) {
    super(detail || code);
    Object.assign(this, { status, code, detail, retryAfter });
  }

  /** What to do now, as one sentence. */
  get advice() {
    if (this.status === 429 || (this.status === 503 && this.retryAfter > 1)) return translate("wait", { n: this.retryAfter });
    if (this.status === 0) return translate("unreachable");
    if (this.status >= 500) return translate("unavailable");
    if (WITH_TEXT.has(this.code)) return translate(this.code);
    if (this.status === 401) return translate("nameless");
    if (this.status === 403 && this.code === "forbidden") return translate("not_allowed");
    if (this.status === 404) return translate("gone");
    return translate("failed", { detail: this.detail || this.code });
  }

  /** The same call may work later: nothing was wrong with it. */
  get passing() {
    return this.status === 0 || this.status >= 500;
  }
}

/** Read at each call: joining as a guest renews it. */
export const csrfToken = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";

let nameless = () => {};
/** Call `work()` when the API says that the session is over. */
export const whenNameless = (work) => { nameless = work; };

async function errorOf(response) {
  const retryAfter = Math.max(1, Math.ceil(Number(response.headers.get("Retry-After")) || 0));
  let answer = {};
  try {
    answer = await response.json();
  } catch { /* Not from the API: a proxy's page. The status says enough. */ }
  return new ApiError({ status: response.status, code: String(answer.code ?? ""), detail: typeof answer.detail === "string" ? answer.detail : "", retryAfter });
}

/**
 * Call the API; return its answer (undefined when it has no body). Throws ApiError. `quietly`: nobody has asked for it,
 * so it does not announce the end of the session.
 */
export async function call(method, path, body, { quietly = false } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method, headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError({});
  }
  if (response.status === 401 && !quietly) nameless();
  if (!response.ok) throw await errorOf(response);
  const text = await response.text();
  return text ? JSON.parse(text) : undefined;
}
