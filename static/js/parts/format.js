// Numbers, times and names as the page prints them. videos/templatetags/figures.py follows the same rules, so nothing
// jumps when the script takes over from what the server printed.

const language = document.documentElement.lang || "en";
const HUES = 12;
const INITIAL_CODES_MAX = 12;

const compactFormat = new Intl.NumberFormat(language, { notation: "compact" });
const clockFormat = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });

/** A count in at most four characters: 999, 1.2K, 35K, 1.3M. */
export const compact = (number) => compactFormat.format(number);

const year = (atMs) => new Date(atMs).getFullYear();

/** A date as the options say, and its year when that is another one than now. */
function dating(options) {
  const [near, far] = [options, { ...options, year: "numeric" }].map((each) => new Intl.DateTimeFormat(language, each));
  return (atMs, nowMs) => (year(atMs) === year(nowMs) ? near : far).format(atMs);
}

const date = dating({ day: "numeric", month: "short" });
const wholeDate = dating({ weekday: "long", day: "numeric", month: "long" });
const dateAndTime = dating({ weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const agoFormat = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const listFormat = new Intl.ListFormat(language);
const DAY_MS = 86_400_000;
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** The time of day. */
export const clock = (atMs) => clockFormat.format(atMs);

const midnight = (atMs) => new Date(atMs).setHours(0, 0, 0, 0);

/** The time of day for today, else the date. */
export const shortly = (atMs, nowMs = Date.now()) => (midnight(atMs) === midnight(nowMs) ? clock(atMs) : date(atMs, nowMs));

/** Today, yesterday, else the whole date. */
export function day(atMs, nowMs = Date.now()) {
  const days = Math.round((midnight(nowMs) - midnight(atMs)) / DAY_MS);
  return days >= 0 && days < 2 ? agoFormat.format(-days, "day") : wholeDate(atMs, nowMs);
}

/** How long ago: 5 minutes ago, yesterday. */
export function ago(atMs, nowMs = Date.now()) {
  const seconds = Math.max(0, nowMs - atMs) / 1_000;
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? ["minute", 60];
  return agoFormat.format(-Math.max(1, Math.floor(seconds / length)), unit);
}

/** Names as the language lists them. */
export const listed = (names) => listFormat.format(names);

/** Day and time in the viewer's own time zone. */
export const moment = (atMs, nowMs = Date.now()) => dateAndTime(atMs, nowMs);

const two = (number) => String(number).padStart(2, "0");

/** Seconds as 4:05 or 1:04:05. */
export function duration(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The time into the broadcast; before its start the time of day. */
export function offset(atMs, startedAtMs) {
  if (startedAtMs === null || atMs < startedAtMs) return clockFormat.format(atMs);
  return duration(Math.floor((atMs - startedAtMs) / 1000));
}

const segmenter = new Intl.Segmenter(language);

/** The signs of a text as people see them: a letter with its accents, a flag. */
export const graphemes = (text) => Array.from(segmenter.segment(text), ({ segment }) => segment);

/** The first sign of a name, in capitals: what stands in the circle beside a comment. */
export function initial(name) {
  const first = [...(graphemes(name.trim())[0] ?? "")].slice(0, INITIAL_CODES_MAX);
  const capital = [...first.join("").toUpperCase()];
  return (capital.length === first.length ? capital : first).join("");
}

/** The colour of a name's circle, 0 to 11; the same name has the same colour everywhere. */
export function hue(name) {
  let number = 0;
  for (const sign of name) number = (number * 31 + sign.codePointAt(0)) % 4093;
  return number % HUES;
}

const BADGE_MAX = 99;

/** A number as a badge shows it. */
export const capped = (number) => (number > BADGE_MAX ? `${BADGE_MAX}+` : String(number));
