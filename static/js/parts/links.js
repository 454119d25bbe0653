// Addresses in what people write, and their links: without a preview, and without the site's word for them.
// videos/templatetags/comments.py finds the same addresses.

// One with a name before its host (bank.example@other.example) is none: it looks as if it led to the name.
const ADDRESS = /https?:\/\/(?![^\s<>"'/?#]*@)[^\s<>"']+/giu;
const AFTERWARDS = /[.,;:!?)\]}]+$/u;

/** Where the text has addresses, as `{from, to}`. Pure. */
export const addressesIn = (text) =>
  Array.from(text.matchAll(ADDRESS), ({ 0: address, index }) => ({ from: index, to: index + address.replace(AFTERWARDS, "").length }));

/** The link of an address. */
export function linkTo(address) {
  const link = document.createElement("a");
  return Object.assign(link, { textContent: address, href: address, target: "_blank", rel: "nofollow ugc noopener noreferrer" });
}

/** The text as nodes, its addresses as links. */
export function linked(text) {
  const nodes = [];
  let done = 0;
  for (const { from, to } of addressesIn(text)) {
    nodes.push(text.slice(done, from), linkTo(text.slice(from, to)));
    done = to;
  }
  return [...nodes, text.slice(done)];
}
