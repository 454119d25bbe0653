// A button with more behind it: a press does the usual thing, holding, hovering or the arrow keys open the choice.

const HOLD_MS = 350;
const HOVER_MS = 350;
const LEAVE_MS = 300;

/** `press()`: the button itself; `pick(kind)`: one of the choice. */
export function pickable(button, picker, { press, pick }) {
  const choices = [...picker.querySelectorAll(".pick")];
  let timer;
  let held = false;

  const isOpen = () => !picker.hidden;
  function open({ focus = false } = {}) {
    if (button.disabled) return;
    picker.hidden = false;
    button.setAttribute("aria-expanded", "true");
    if (focus) (choices.find((choice) => choice.getAttribute("aria-pressed") === "true") ?? choices[0]).focus();
  }
  function close({ back = false } = {}) {
    clearTimeout(timer);
    if (back && picker.contains(document.activeElement)) button.focus();
    picker.hidden = true;
    button.setAttribute("aria-expanded", "false");
    choices.forEach((choice) => choice.classList.remove("under"));
  }
  function choose(choice) {
    pick(choice.dataset.kind);
    close({ back: true });
  }
  const under = (event) => choices.find((choice) => choice === document.elementFromPoint(event.clientX, event.clientY)?.closest(".pick"));

  button.addEventListener("click", (event) => {
    // The click that ends a hold belongs to the hold; one from the keyboard (detail 0) never does.
    if (held && event.detail > 0) held = false;
    else press();
  });
  button.addEventListener("pointerdown", (event) => {
    held = false;
    clearTimeout(timer);
    // A mouse has opened the choice by hovering.
    if (event.pointerType === "mouse") return;
    timer = setTimeout(() => {
      held = true;
      open();
      navigator.vibrate?.(10);
    }, HOLD_MS);
  });
  // The finger may stay down and slide to a choice.
  button.addEventListener("pointermove", (event) => {
    if (!held) return;
    const over = under(event);
    choices.forEach((choice) => choice.classList.toggle("under", choice === over));
  });
  button.addEventListener("pointerup", (event) => {
    clearTimeout(timer);
    const over = held && under(event);
    if (over) choose(over);
  });
  button.addEventListener("pointercancel", () => clearTimeout(timer));
  button.addEventListener("contextmenu", (event) => event.preventDefault());

  for (const part of [button, picker]) {
    part.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "mouse") return;
      clearTimeout(timer);
      timer = setTimeout(open, HOVER_MS);
    });
    part.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "mouse") return;
      clearTimeout(timer);
      timer = setTimeout(close, LEAVE_MS);
    });
  }

  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    open({ focus: true });
  });
  picker.addEventListener("keydown", (event) => {
    const at = choices.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) choices[(at + step + choices.length) % choices.length].focus();
    else if (event.key === "Home") choices[0].focus();
    else if (event.key === "End") choices.at(-1).focus();
    else if (event.key === "Escape") close({ back: true });
    else return;
    event.preventDefault();
  });
  picker.addEventListener("focusout", (event) => {
    if (!picker.contains(event.relatedTarget) && event.relatedTarget !== button) close();
  });
  picker.addEventListener("click", (event) => {
    const choice = event.target.closest(".pick");
    if (choice) choose(choice);
  });
  document.addEventListener("pointerdown", (event) => {
    if (isOpen() && !picker.contains(event.target) && !button.contains(event.target)) close();
  });
  return { close };
}
