// The page of what one hears of: a way by the browser needs the browser's yes.

import { byId, note } from "../parts/dom.js";
import { translate } from "../core/words.js";
import { allowMessages } from "../parts/push.js";

byId("choices").addEventListener("change", async ({ target }) => {
  if (!target.name.endsWith("-push") || !target.checked) return;
  const { refusal } = await allowMessages();
  note(byId("choices-note"), refusal ? translate(refusal) : "");
});
