// The keyboard of the player: letters anywhere on the page but where one types, arrows only where nothing else uses them.

import { byId, isComposing } from "../parts/dom.js";

const STEP_SECONDS = 5;
const JUMP_SECONDS = 10;
const TYPES = "input:not([type=range], [type=radio], [type=checkbox]), textarea, select, [contenteditable]";
const PRESSES = "button, a, summary, input, [role=tab], [role=menuitem], [role=switch]";

/** Follow the keys. `player` plays and pauses; `seekBar`, `sound`, `screen`, `captions` do what they are named for. */
export function followKeys({ player, seekBar, sound, screen, captions }) {
  const help = byId("keys-dialog");
  const showHelp = () => (help.open ? help.close() : help.showModal());
  const letters = {
    k: () => player.toggle(),
    j: () => seekBar.moveBy(-JUMP_SECONDS),
    l: () => seekBar.moveBy(JUMP_SECONDS),
    m: () => sound.toggle(),
    f: () => screen.full(),
    t: () => screen.wide(),
    i: () => screen.smallWindow(),
    c: () => captions.toggle(),
    "?": showHelp,
  };
  const arrows = {
    " ": () => player.toggle(),
    ArrowLeft: () => seekBar.moveBy(-STEP_SECONDS),
    ArrowRight: () => seekBar.moveBy(STEP_SECONDS),
    ArrowUp: () => sound.louder(1),
    ArrowDown: () => sound.louder(-1),
  };
  byId("show-keys").addEventListener("click", () => {
    byId("player-menu").hidePopover();
    showHelp();
  });
  document.addEventListener("keydown", (event) => {
    if (!event.key) return;  // a browser filled in a form
    const work = letters[event.key.toLowerCase()] ?? (isFree(event.target, event.key) ? arrows[event.key] : null);
    if (!work || isOthers(event) || (event.key !== "?" && !player.isOpen)) return;
    event.preventDefault();
    player.showControls();
    work();
  });
}

/** Whether the key is meant for something else: a text, a shortcut of the browser, a dialog. */
function isOthers(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isComposing(event)) return true;
  if (event.target.closest(TYPES)) return true;
  return [...document.querySelectorAll("dialog[open]")].some(({ id }) => id !== "keys-dialog");
}

/** Whether space or an arrow does nothing by itself there: on the page as such, on the picture, not on a list. */
function isFree(target, key) {
  if (target === document.body || target.id === "picture") return true;
  if (!target.closest("#player")) return false;
  return key === " " ? !target.closest(PRESSES) : !target.closest("input, .menu");
}
