// The texts of the page in its language (videos/words.py), filled in and counted.

const island = document.getElementById("words");
const words = island ? JSON.parse(island.textContent) : {};
const pluralRules = new Intl.PluralRules(document.documentElement.lang || "en");

/** Add the texts of a part that is loaded later. */
export const addWords = (more) => void Object.assign(words, more);

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

/** The text of a key with {name} filled in. */
export const translate = (key, values = {}) => fill(words[key] ?? key, values);

/** The text of a key in the plural form that `n` needs; {n} is filled in with `shown`. */
export function plural(key, n, { shown = n, ...values } = {}) {
  const text = words[`${key}.${pluralRules.select(n)}`] ?? words[`${key}.other`] ?? key;
  return fill(text, { ...values, n: shown });
}
