// The page of what one hears of: a way by the browser needs the browser's yes. Without it no box is of use here, and the page
// says so.

import { byId, note } from "../parts/dom.js";
import { translate } from "../core/words.js";
import { allowMessages, mayAsk } from "../parts/push.js";

async function allow() {
  const { refusal } = await allowMessages();
  note(byId("choices-note"), refusal ? translate(refusal) : "");
  byId("browser-asks").hidden = !mayAsk();
}

byId("browser-asks").hidden = !mayAsk();
byId("browser-allow").addEventListener("click", () => void allow());
byId("choices").addEventListener("change", ({ target }) => {
  if (target.name.endsWith("-push") && target.checked) void allow();
});
