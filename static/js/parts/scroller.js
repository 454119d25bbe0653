// A list that grows at its end, read by scrolling up: it stays at the newest unless one reads further up, what is read
// never moves, older ones come as one gets near the start. The scroller runs backwards: 0 is the newest end.

const NEAR_END_PX = 48;
const NEAR_START_PX = 240;

export class Scroller {
  #unseen = 0;
  #hasOlder = false;
  #isLoading = false;
  // What the last change has left undone, because a browser rounds scroll positions: else it adds up.
  #rest = 0;

  /**
   * `pill`: brings one back to the end, `unseenText(n)`: its text; `loader`: shown while `loadOlder()` runs, which
   * resolves to whether there may be more; `reachedEnd()`.
   */
  constructor({ scroller, list, pill, loader, unseenText, loadOlder, reachedEnd = () => {} }) {
    Object.assign(this, { scroller, list, pill, loader, unseenText, loadOlder, reachedEnd });
    pill.addEventListener("click", () => {
      this.toEnd();
      scroller.focus({ preventScroll: true });
    });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  get isAtEnd() {
    return this.scroller.scrollTop > -NEAR_END_PX;
  }

  toEnd() {
    // At once: a smooth scroll would end where the next event finds it, for keeping the place sets the scroll position.
    this.scroller.scrollTo({ top: 0, behavior: "instant" });
    this.#setUnseen(0);
  }

  /** Change the list without moving what is being read. */
  keepingPlace(change) {
    if (this.isAtEnd) return change();
    const top = this.scroller.getBoundingClientRect().top;
    const anchor = [...this.list.children].find((item) => item.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (!anchor?.isConnected) return;
    const moved = () => anchor.getBoundingClientRect().top - before + this.#rest;
    this.scroller.scrollTop += moved();
    const left = moved();
    this.#rest = Math.abs(left) < 1 ? left : 0;
  }

  /** One more has come at the end. */
  came() {
    if (!this.isAtEnd) this.#setUnseen(this.#unseen + 1);
  }

  /** Set whether there may be older ones than the list holds. */
  begin(hasOlder) {
    this.#hasOlder = hasOlder;
  }

  #setUnseen(number) {
    this.#unseen = number;
    this.pill.hidden = number === 0;
    if (number) this.pill.lastElementChild.textContent = this.unseenText(number);
  }

  #scrolled() {
    if (this.isAtEnd) {
      if (this.#unseen) this.#setUnseen(0);
      this.reachedEnd();
    }
    const { scrollHeight, clientHeight, scrollTop } = this.scroller;
    if (scrollHeight - clientHeight + scrollTop < NEAR_START_PX) void this.#loadMore();
  }

  async #loadMore() {
    if (!this.#hasOlder || this.#isLoading) return;
    this.#isLoading = true;
    this.loader.hidden = false;
    try {
      this.#hasOlder = await this.loadOlder();
    } finally {
      this.#isLoading = false;
      this.loader.hidden = true;
    }
  }
}
