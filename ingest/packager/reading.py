"""Playlists read back: what an earlier process of this packager has listed, so that the next one continues it.

Called by the packager and `recording` when they begin. Reads what `playlist` writes, not any playlist.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime

from ingest.packager.playlist import LivePlaylist, Part, Segment

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))')


def read_live(text: str) -> LivePlaylist:
    """Return the playlist with this text. Raises ValueError or KeyError for a text that is none."""
    tags = dict(line.split(":", 1) for line in text.splitlines() if line.startswith("#EXT-X-") and ":" in line)
    *segments, last = _segments(text)
    return LivePlaylist(
        target_seconds=int(tags["#EXT-X-TARGETDURATION"]),
        part_target_seconds=float(_attributes(tags["#EXT-X-PART-INF"])["PART-TARGET"]),
        part_hold_back_seconds=float(_attributes(tags["#EXT-X-SERVER-CONTROL"])["PART-HOLD-BACK"]),
        sequence=int(tags["#EXT-X-MEDIA-SEQUENCE"]),
        discontinuities=int(tags["#EXT-X-DISCONTINUITY-SEQUENCE"]),
        segments=deque(segments),
        growing=last if last.parts else None,
    )


def read_recording(text: str) -> list[Segment]:
    """Return the segments of a recording. Raises ValueError for a text that is none."""
    return _segments(text)[:-1]


def _segments(text: str) -> list[Segment]:
    """Return the segments; the last one has no name, and the parts that belong to no whole segment."""
    found: list[Segment] = []
    init, current = "", Segment("", "", 0, False)
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-MAP":
                init = _attributes(value)["URI"]
            case "#EXT-X-DISCONTINUITY":
                current.discontinuity = True
            case "#EXT-X-PROGRAM-DATE-TIME":
                current.started_at_ms = round(datetime.fromisoformat(value).timestamp() * 1000)
            case "#EXT-X-PART":
                part = _attributes(value)
                current.parts.append(Part(part["URI"], float(part["DURATION"]), "INDEPENDENT" in part))
            case "#EXTINF":
                current.duration = float(value.rstrip(","))
            case _ if line and not line.startswith("#"):
                current.name, current.init = line, init
                found.append(current)
                current = Segment("", "", 0, False)
    current.init = init
    current.duration = sum(part.duration for part in current.parts)
    return [*found, current]


def _attributes(text: str) -> dict[str, str]:
    return {name: quoted or plain for name, quoted, plain in _ATTRIBUTE.findall(text)}
