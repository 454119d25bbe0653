// What stands where the picture is, as one value. Pure: no page, no network.

const NOTHING = { curtain: "", url: "", isLive: true, isHeld: false };
const REPLAY = /\/replay\.m3u8$/;

/** The address of an ended broadcast's recording, "" when it has none. */
export const replayOf = (video) => (video.status === "ended" && REPLAY.test(video.playlist) ? video.playlist : "");

/**
 * The scene of a video: the curtain over the picture, the playlist to play, whether it is live and whether it is held,
 * which is: shown as it stands, nothing loaded. `isReplaying`: the viewer asked for the recording.
 */
export function sceneOf({ video, over }, isReplaying) {
  if (over) return { ...NOTHING, curtain: "over" };
  if (video.status === "upcoming") return { ...NOTHING, curtain: "upcoming" };
  if (video.status === "ended") {
    const url = isReplaying ? replayOf(video) : "";
    return url ? { ...NOTHING, url, isLive: false } : { ...NOTHING, curtain: "ended" };
  }
  return liveScene(video);
}

function liveScene({ playlist, picture }) {
  switch (picture?.state ?? "") {
    case "waiting": return { ...NOTHING, curtain: "waiting" };
    case "gone": return { ...NOTHING, curtain: "gone" };
    case "stalled": return { ...NOTHING, curtain: "stalled", url: playlist, isHeld: true };
    default: return playlist ? { ...NOTHING, url: playlist } : { ...NOTHING, curtain: "none" };
  }
}
