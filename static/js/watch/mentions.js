// What is in the text of a comment besides words: addresses, emoji of the channel, and the viewer's name. Pure.
// videos/templatetags/comments.py finds the same emoji.

import { addressesIn } from "../parts/links.js";
import { emojiIn } from "../parts/own-emoji.js";

const GOES_ON = "(?![\\p{L}\\p{N}_])";

const escaped = (text) => text.replace(/[$()*+.?[\\\]^{|}]/gu, "\\$&");

/** A letter as people write it, with its accent or without. */
function spelled(letter) {
  const bare = letter.normalize("NFKD").replace(/[\u0300-\u036f]/gu, "");
  return bare === letter || !bare ? escaped(letter) : `(?:${escaped(letter)}|${escaped(bare)}[\\u0300-\\u036f]*)`;
}

/** Where the text names somebody as "@name": the first places, without the words around. Spaces may be several. */
function placesOf(text, name) {
  const words = name.normalize("NFC").split(/\s+/u).map((word) => [...word].map(spelled).join(""));
  const sought = new RegExp(`@${words.join("[^\\S\\n]+")}${GOES_ON}`, "giu");
  return Array.from(text.matchAll(sought), ({ 0: { length }, index }) => [index, index + length]);
}

/** Whether a text names somebody as "@name". */
export const mentions = (text, name) => Boolean(name) && text.includes("@") && placesOf(text, name).length > 0;

/**
 * The text in pieces, `{text}`, those that are addresses with `isAddress`, the viewer's name with `isMention`, those of
 * `emoji` (the address of each by its code) with `code`.
 */
export function pieces(text, name = "", emoji = {}) {
  const found = addressesIn(text).map((place) => ({ ...place, isAddress: true }));
  const named = (mentions(text, name) ? placesOf(text, name) : []).map(([from, to]) => ({ from, to, isMention: true }));
  for (const one of [...named, ...emojiIn(text, emoji)]) {
    if (!found.some((other) => one.from < other.to && one.to > other.from)) found.push(one);
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

/** A name, or its beginning, for comparing: without accents, and with one space where there are several. */
export const foldedName = (name) => name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/\s+/gu, " ").toLowerCase();

/** The "@" and what is written after it at the place where one writes, as `{from, name}`; null: nobody is being named. */
export function beingNamed(text, at) {
  const from = text.lastIndexOf("@", at - 1);
  if (from < 0 || (from > 0 && !/\s/u.test(text[from - 1]))) return null;
  const name = text.slice(from + 1, at);
  return name.length > 40 || /[\n@]/u.test(name) ? null : { from, name };
}

/** The ":" and the code that is begun after it at the place where one writes, as `{from, code}`; null: there is none. */
export function beingCoded(text, at) {
  const begun = /(?:^|[^a-z0-9_]):([a-z0-9_]{2,32})$/iu.exec(text.slice(0, at));
  return begun ? { from: at - begun[1].length - 1, code: begun[1].toLowerCase() } : null;
}
