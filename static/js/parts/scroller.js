// A list that grows at its end, read by scrolling up: it stays at the newest unless one reads further up, what is read
// never moves, older ones come as one gets near the start. The scroller runs backwards: 0 is the newest end.

const NEAR_END_PX = 48;
const NEAR_START_PX = 240;

/** The key of what is being sent, until it has an id. */
export const sentKey = (clientId) => `sent:${clientId}`;

/**
 * Draw `rows`, each with its `key`, into the list's items, which `items` knows by key: those that are there stay where
 * they can. `row.clientId`: what was sent and is acknowledged is the same item, that turns solid. `create(row)`,
 * `fill(item, row)`; `instead(item)`: who gets the focus of an item that goes.
 */
export function drawRows(list, items, rows, { create, fill, instead }) {
  const keys = new Set();
  let place = list.firstElementChild;
  for (const row of rows) {
    const sent = row.clientId && sentKey(row.clientId);
    let item = items.get(row.key);
    if (!item && sent && items.has(sent)) {
      item = items.get(sent);
      items.delete(sent);
    }
    item ??= create(row);
    items.set(row.key, item);
    keys.add(row.key);
    fill(item, row);
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
  for (const [key, item] of items) {
    if (keys.has(key)) continue;
    if (item.contains(document.activeElement)) instead(item).focus();
    item.remove();
    items.delete(key);
  }
}

/**
 * `pill`: brings one back to the end, `unseenText(n)`: what it says; `loader`: shown while `loadOlder()` runs, which
 * resolves to whether there may be more; `reachedEnd()`.
 */
export function setUpScroller({ scroller, list, pill, loader, unseenText, loadOlder, reachedEnd = () => {} }) {
  let unseen = 0;
  let hasOlder = false;
  let loading = false;
  // What the last change has left undone, because a browser rounds scroll positions: else it adds up.
  let rest = 0;

  const atEnd = () => scroller.scrollTop > -NEAR_END_PX;

  function setUnseen(number) {
    unseen = number;
    pill.hidden = unseen === 0;
    if (unseen) pill.lastElementChild.textContent = unseenText(unseen);
  }

  function toEnd() {
    // At once: a smooth way would end where the next event finds it, for keeping the place sets the scroll position.
    scroller.scrollTo({ top: 0, behavior: "instant" });
    setUnseen(0);
  }

  async function older() {
    if (!hasOlder || loading) return;
    loading = true;
    loader.hidden = false;
    try {
      hasOlder = await loadOlder();
    } finally {
      loading = false;
      loader.hidden = true;
    }
  }

  pill.addEventListener("click", () => {
    toEnd();
    scroller.focus({ preventScroll: true });
  });
  scroller.addEventListener("scroll", () => {
    if (atEnd()) {
      if (unseen) setUnseen(0);
      reachedEnd();
    }
    if (scroller.scrollHeight - scroller.clientHeight + scroller.scrollTop < NEAR_START_PX) void older();
  }, { passive: true });

  return {
    atEnd,
    toEnd,
    /** Change the list without moving what is being read. */
    keepingPlace(change) {
      if (atEnd()) return change();
      const top = scroller.getBoundingClientRect().top;
      const anchor = [...list.children].find((item) => item.getBoundingClientRect().bottom > top);
      const before = anchor?.getBoundingClientRect().top;
      change();
      if (!anchor?.isConnected) return;
      const moved = () => anchor.getBoundingClientRect().top - before + rest;
      scroller.scrollTop += moved();
      const left = moved();
      rest = Math.abs(left) < 1 ? left : 0;
    },
    /** One more has come at the end. */
    came() {
      if (!atEnd()) setUnseen(unseen + 1);
    },
    /** Say whether there may be older ones than the list holds. */
    begin(older) {
      hasOlder = older;
    },
  };
}
