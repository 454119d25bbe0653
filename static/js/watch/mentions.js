// What is in the text of a comment besides words: addresses, and the viewer's name. Pure. videos/templatetags/comments.py
// finds the same addresses.

const ADDRESS = /https?:\/\/[^\s<>"']+/giu;
const AFTERWARDS = /[.,;:!?)\]}]+$/u;
const GOES_ON = /^[\p{L}\p{N}_]/u;

/** Where the text names somebody as "@name": the first places, without the words around. */
function* placesOf(text, name) {
  const [folded, sought] = [text.toLowerCase(), `@${name.toLowerCase()}`];
  // Some letters change their length: the places would be others.
  if (folded.length !== text.length) return;
  for (let at = folded.indexOf(sought); at >= 0; at = folded.indexOf(sought, at + 1)) {
    if (!GOES_ON.test(folded.slice(at + sought.length))) yield [at, at + sought.length];
  }
}

/** Whether a text names somebody as "@name". */
export const mentions = (text, name) => Boolean(name) && !placesOf(text, name).next().done;

/** The text in pieces, `{text}`, those that are addresses with `isAddress`, the viewer's name with `isMention`. */
export function pieces(text, name = "") {
  const found = Array.from(text.matchAll(ADDRESS), ({ 0: address, index }) =>
    ({ from: index, to: index + address.replace(AFTERWARDS, "").length, isAddress: true }));
  for (const [from, to] of name ? placesOf(text, name) : []) {
    if (!found.some((other) => from < other.to && to > other.from)) found.push({ from, to, isMention: true });
  }
  const all = [];
  let done = 0;
  for (const { from, to, ...kind } of found.sort((one, other) => one.from - other.from)) {
    if (from > done) all.push({ text: text.slice(done, from) });
    all.push({ text: text.slice(from, to), ...kind });
    done = to;
  }
  if (done < text.length) all.push({ text: text.slice(done) });
  return all;
}

/** The "@" and what is written after it at the place where one writes, as `{from, name}`; null: nobody is being named. */
export function beingNamed(text, at) {
  const from = text.lastIndexOf("@", at - 1);
  if (from < 0 || (from > 0 && !/\s/u.test(text[from - 1]))) return null;
  const name = text.slice(from + 1, at);
  return name.length > 40 || /[\n@]/u.test(name) ? null : { from, name };
}
