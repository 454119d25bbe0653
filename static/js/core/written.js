// Lists of what people have written, comments and messages alike. Pure.

export const without = (items, id) => items.filter((item) => item.id !== id);

/** Return the items with one more, in the order of their seq; one that is there already stays as it is. */
export function withAdded(items, added) {
  if (items.some(({ id }) => id === added.id)) return items;
  let at = items.length;
  while (at > 0 && items[at - 1].seq > added.seq) at -= 1;
  return [...items.slice(0, at), added, ...items.slice(at)];
}

/** Return what a guest wrote as it is once the guest has become an account. */
export const byAccount = (written, { from, viewer }) => (written.author.id === from ? { ...written, author: viewer, client_id: null } : written);
