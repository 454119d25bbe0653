// A button with more behind it: a press does the usual thing, holding, hovering or the arrow keys open the choice.

const HOLD_MS = 350;
const HOVER_MS = 350;
const LEAVE_MS = 300;

export class Picker {
  #choices;
  #timer;
  #isHeld = false;

  /** `press()`: the button itself; `pick(kind)`: one of the choice in `popup`. */
  constructor(button, popup, { press, pick }) {
    Object.assign(this, { button, popup, press, pick });
    this.#choices = [...popup.querySelectorAll(".pick")];
    this.#wireFinger();
    this.#wireMouse();
    this.#wireKeyboard();
    button.addEventListener("click", (event) => {
      // The click that ends a hold belongs to the hold; one from the keyboard (detail 0) never does.
      if (this.#isHeld && event.detail > 0) this.#isHeld = false;
      else press();
    });
    popup.addEventListener("click", (event) => {
      const choice = event.target.closest(".pick");
      if (choice) this.#choose(choice);
    });
    document.addEventListener("pointerdown", (event) => {
      if (!popup.hidden && !popup.contains(event.target) && !button.contains(event.target)) this.#close();
    });
  }

  #open({ focus = false } = {}) {
    if (this.button.disabled) return;
    this.popup.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    if (focus) (this.#choices.find((choice) => choice.getAttribute("aria-pressed") === "true") ?? this.#choices[0]).focus();
  }

  #close({ back = false } = {}) {
    clearTimeout(this.#timer);
    if (back && this.popup.contains(document.activeElement)) this.button.focus();
    this.popup.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.#choices.forEach((choice) => choice.classList.remove("under"));
  }

  #choose(choice) {
    this.pick(choice.dataset.kind);
    this.#close({ back: true });
  }

  #after(ms, work) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(work, ms);
  }

  /** A finger may stay down and slide to a choice. */
  #wireFinger() {
    const { button } = this;
    const under = ({ clientX, clientY }) => {
      const found = document.elementFromPoint(clientX, clientY)?.closest(".pick");
      return this.#choices.find((choice) => choice === found);
    };
    button.addEventListener("pointerdown", (event) => {
      this.#isHeld = false;
      clearTimeout(this.#timer);
      // A mouse has opened the choice by hovering.
      if (event.pointerType === "mouse") return;
      this.#after(HOLD_MS, () => {
        this.#isHeld = true;
        this.#open();
        navigator.vibrate?.(10);
      });
    });
    button.addEventListener("pointermove", (event) => {
      if (!this.#isHeld) return;
      const over = under(event);
      this.#choices.forEach((choice) => choice.classList.toggle("under", choice === over));
    });
    button.addEventListener("pointerup", (event) => {
      clearTimeout(this.#timer);
      const over = this.#isHeld && under(event);
      if (over) this.#choose(over);
    });
    button.addEventListener("pointercancel", () => clearTimeout(this.#timer));
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  #wireMouse() {
    const on = (name, ms, work) => {
      for (const part of [this.button, this.popup]) {
        part.addEventListener(name, (event) => { if (event.pointerType === "mouse") this.#after(ms, work); });
      }
    };
    on("pointerenter", HOVER_MS, () => this.#open());
    on("pointerleave", LEAVE_MS, () => this.#close());
  }

  #wireKeyboard() {
    this.button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      event.preventDefault();
      this.#open({ focus: true });
    });
    this.popup.addEventListener("keydown", (event) => this.#pressed(event));
    this.popup.addEventListener("focusout", (event) => {
      if (!this.popup.contains(event.relatedTarget) && event.relatedTarget !== this.button) this.#close();
    });
  }

  #pressed(event) {
    const choices = this.#choices;
    const at = choices.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) choices[(at + step + choices.length) % choices.length].focus();
    else if (event.key === "Home") choices[0].focus();
    else if (event.key === "End") choices.at(-1).focus();
    else if (event.key === "Escape") this.#close({ back: true });
    else return;
    event.preventDefault();
  }
}
