// The first script of a watch page: the picture comes first, everything else when it stands. What is pressed before that
// loads the rest at once, and is done then.

import { firstPicture } from "./first-picture.js";

const AGAIN_MS = 1_000;

let repeat = () => {};
let isLoading = false;

const early = {
  pointerdown: load,
  keydown: load,
  click({ target }) {
    const button = target.closest("button");
    if (button && !button.popoverTargetElement) repeat = () => button.click();
  },
  submit(event) {
    event.preventDefault();
    repeat = () => event.target.requestSubmit(event.submitter);
  },
};

async function load() {
  if (isLoading) return;
  isLoading = true;
  const later = document.getElementById("later");
  if (later) {
    document.head.append(later.content);
    await addRest(later.dataset.rest);
  }
  for (const part of document.querySelectorAll("template[data-into]")) {
    document.getElementById(part.dataset.into).append(part.content);
    part.remove();
  }
  await import("./watch.js");
  for (const [name, work] of Object.entries(early)) document.removeEventListener(name, work, true);
  repeat();
}

/** Add the rest of the page, which is the site's own as the page itself is. */
async function addRest(address) {
  for (;;) {
    try {
      const answer = await fetch(address);
      if (answer.ok) {
        const { head, body } = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.body.append(...head.childNodes, ...body.childNodes); // what shows nothing comes into the head
        return;
      }
    } catch { /* Nobody answered. */ }
    await new Promise((done) => { setTimeout(done, AGAIN_MS * (1 + Math.random())); });
  }
}

for (const [name, work] of Object.entries(early)) document.addEventListener(name, work, true);
firstPicture.stands.then(load);
