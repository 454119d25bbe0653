// Names and faces of conversations.

import { isolated, paintFace } from "../parts/dom.js";
import { listed } from "../parts/format.js";
import { othersOf, partnerOf } from "./state.js";
import { translate } from "../core/words.js";

/** What a conversation is called: its title, or who else is in it, if anybody is. */
export const nameOf = (conversation, viewer) =>
  conversation.title || listed(othersOf(conversation, viewer).map(({ name }) => isolated(name))) || translate("only_you");

/** Draw the face of a conversation, with a dot for one who is online. */
export function paintConversation(face, conversation, { viewer, presence }) {
  const partner = partnerOf(conversation, viewer);
  paintFace(face, conversation.title || (partner ?? othersOf(conversation, viewer)[0])?.name || "?");
  face.parentElement.dataset.online = String(partner !== null && presence[partner.id]?.status === "online");
}
