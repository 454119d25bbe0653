// The first script of a watch page: the picture comes first, everything else when it stands. What is pressed before that
// loads the rest at once, and is done then (early.js).

import { firstPicture } from "./first-picture.js";

const AGAIN_MS = 1_000;
const { early } = globalThis;

async function load() {
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
  early.end();
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

void Promise.race([early.isPressed, firstPicture.stands]).then(load);
