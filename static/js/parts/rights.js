// What the viewer of a page may do and read, as the page's state says: `may`, `blocked` and `viewer` of the watch page.

/** What each act of moderators needs, if it is not the right of its name. */
const RIGHTS = { versions: "delete", moderate: "read" };

/** What nobody does to the broadcaster, nor to somebody of their own rank. */
const OVER_PEOPLE = ["time_out", "ban", "shadow", "delete_all"];

/** Whether the act is among what the viewer may do. */
export const mayAct = ({ may }, act) => may.includes(RIGHTS[act] ?? act);

/** Whether it is the viewer's to do this to somebody else, or to what they have written. */
export function mayModerate({ may, viewer, outranksModerators }, act, { author }) {
  const isOutranked = author.role === "broadcaster" || (author.role === "moderator" && !outranksModerators);
  if (author.id === viewer?.id || (isOutranked && OVER_PEOPLE.includes(act))) return false;
  return mayAct({ may }, act);
}

/** Whether the viewer reads what somebody writes: not of people they block, unless they may delete comments. */
export const isRead = ({ blocked, may }, author) => may.includes("delete") || !blocked.includes(author.id);
