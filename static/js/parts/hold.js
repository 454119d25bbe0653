// While somebody points at the items of a list, selects text there or goes through them by keyboard, nothing new moves
// them. A pointer that rests for some seconds points no more, except at a button or a link.

const REST_MS = 3_000;

export class Hold {
  #pointedUntil = 0;
  #control = null;
  #isDown = false;
  #isByKeys = false;
  #timer = null;

  /** `released()`: nobody does any more. */
  constructor(element, { released }) {
    Object.assign(this, { element, released });
    const on = (names, work) => names.split(" ").forEach((name) => element.addEventListener(name, work, { passive: true }));
    on("pointermove pointerdown", ({ pointerType, type, target }) => {
      if (pointerType === "touch") return;
      this.#control = target.closest("button, a");
      if (type === "pointerdown") this.#isDown = true;
      this.#pointedUntil = performance.now() + REST_MS;
      this.#watch();
    });
    on("pointerleave", () => { this.#pointedUntil = 0; });
    on("keydown", () => {
      this.#isByKeys = true;
      this.#watch();
    });
    addEventListener("pointermove", () => { this.#isByKeys = false; }, { passive: true });
    addEventListener("pointerup", () => { this.#isDown = false; }, { passive: true });
    document.addEventListener("selectionchange", () => { if (this.#isSelecting) this.#watch(); });
  }

  get isHeld() {
    return this.#timer !== null;
  }

  get #isSelecting() {
    const selection = getSelection();
    return !selection.isCollapsed && this.element.contains(selection.anchorNode);
  }

  get #isWanted() {
    const focus = document.activeElement;
    const isThere = focus !== this.element && this.element.contains(focus);
    const isPointing = performance.now() < this.#pointedUntil || this.#control?.matches(":hover");
    return this.#isDown || (this.#isByKeys && isThere) || this.#isSelecting || isPointing;
  }

  #watch() {
    this.#timer ??= setInterval(() => {
      if (this.#isWanted) return;
      clearInterval(this.#timer);
      this.#timer = null;
      this.released();
    }, 250);
  }
}
