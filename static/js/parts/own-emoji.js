// The emoji of a channel: small pictures that stand for `:code:` in a text. `emoji` is the address of each by its code.
// videos/templatetags/comments.py draws the same.

let known = null;
let pattern = null;

// There are some hundred texts to one list of emoji.
function patternOf(emoji) {
  if (emoji !== known) {
    const codes = Object.keys(emoji);
    [known, pattern] = [emoji, codes.length ? new RegExp(`:(${codes.join("|")}):`, "g") : null];
  }
  return pattern;
}

/** Where a text has emoji, as `{from, to, code}`. */
export function emojiIn(text, emoji) {
  const sought = text.includes(":") ? patternOf(emoji) : null;
  return sought ? Array.from(text.matchAll(sought), ({ 0: { length }, 1: code, index }) => ({ from: index, to: index + length, code })) : [];
}

/** The picture of a code. Who does not see it hears the code. */
export const pictureOf = (code, emoji) =>
  Object.assign(document.createElement("img"), { className: "own-emoji", src: emoji[code], alt: `:${code}:`, title: `:${code}:`, width: 72, height: 72 });

/** A text with its emoji, as what a page holds. */
export function written(text, emoji) {
  const found = emojiIn(text, emoji);
  if (!found.length) return [text];
  const parts = found.flatMap(({ from, code }, at) => [text.slice(found[at - 1]?.to ?? 0, from), pictureOf(code, emoji)]);
  return [...parts, text.slice(found.at(-1).to)];
}

// element → what is written in it.
const writtenIn = new WeakMap();

/** Write a text with its emoji. */
export function write(element, text, emoji) {
  const [lastText, lastEmoji] = writtenIn.get(element) ?? [];
  if (lastText === text && lastEmoji === emoji) return;
  writtenIn.set(element, [text, emoji]);
  element.replaceChildren(...written(text, emoji));
}
