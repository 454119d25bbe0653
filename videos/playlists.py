"""What a playlist says, as far as a node needs it: how far it has come, and which part comes next.

Called by videos.reloads, which holds requests back until a playlist has what they ask for. Pure. Playlists are written
by anybody's encoder: a line that says nothing sensible is passed over.
Source: RFC 8216; draft-pantos-hls-rfc8216bis, 6.2.5.2 (blocking playlist reload).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AHEAD_MAX = 2
"""So many segments beyond the last one may be asked for; more is a mistake."""
TARGET_SECONDS_MAX = 8.0
"""However long a playlist says its segments are: a request waits for three of them, and proxies give up after 30 s."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_HINT = re.compile(r'#EXT-X-PRELOAD-HINT:(?=[^\n]*TYPE=PART)[^\n]*URI="([^"\n]{1,200})"')


@dataclass(frozen=True, slots=True)
class ReadPlaylist:
    """A version of a playlist: its bytes, their validators, and what they say."""

    body: bytes
    changed_ns: int
    target_seconds: float = 0.0
    last_msn: int = -1
    """The media sequence number of the last whole segment."""
    last_parts: int = 0
    """How many parts that segment is listed with."""
    next_parts: int = 0
    """How many parts there are of the segment that is being made."""
    hint: str = ""
    """The name of the part that comes next."""
    renditions: tuple[str, ...] = ()
    """The playlists that this one chooses between, if it is one of those."""
    can_block: bool = False

    def has(self, msn: int, part: int | None) -> bool:
        """Whether the segment, or the part of it, is listed, or a later one.

        A part beyond the last one of a segment is the first one of the next.
        """
        if msn < self.last_msn or (msn == self.last_msn and (part is None or part < max(1, self.last_parts))):
            return True
        if msn == self.last_msn:
            return self.next_parts > 0
        return msn == self.last_msn + 1 and part is not None and part < self.next_parts


def read_playlist(body: bytes, changed_ns: int) -> ReadPlaylist:
    """Return what the playlist says. Never raises."""
    lines = body.decode("utf-8", "replace").splitlines()
    tags = {name: value for name, _, value in (line.partition(":") for line in lines) if name.startswith("#EXT-X-")}
    if "#EXT-X-STREAM-INF" in tags:
        return ReadPlaylist(body, changed_ns, renditions=_uris(lines))
    parts, counts = 0, []
    for line in lines:
        if line.startswith("#EXT-X-PART:"):
            parts += 1
        elif line and not line.startswith("#"):
            counts.append(parts)
            parts = 0
    skipped = _number(tags.get("#EXT-X-SKIP", "").removeprefix("SKIPPED-SEGMENTS="))
    hints = _HINT.findall("\n".join(lines))
    return ReadPlaylist(
        body,
        changed_ns,
        target_seconds=min(TARGET_SECONDS_MAX, _number(tags.get("#EXT-X-TARGETDURATION", ""))),
        last_msn=_number(tags.get("#EXT-X-MEDIA-SEQUENCE", "")) + skipped + len(counts) - 1,
        last_parts=counts[-1] if counts else 0,
        next_parts=parts,
        hint=hints[-1] if hints else "",
        can_block="CAN-BLOCK-RELOAD=YES" in tags.get("#EXT-X-SERVER-CONTROL", "") and "#EXT-X-ENDLIST" not in tags,
    )


def _uris(lines: list[str]) -> tuple[str, ...]:
    """Return the names of the renditions that lie beside the playlist."""
    named = [line for line in lines if line and not line.startswith("#")]
    media = [
        found for line in lines if line.startswith("#EXT-X-MEDIA:") for found in re.findall(r'URI="([^"]+)"', line)
    ]
    return tuple(name for name in dict.fromkeys((*named, *media)) if re.fullmatch(r"[A-Za-z0-9_-]{1,64}\.m3u8", name))


def _number(text: str) -> int:
    found = _NUMBER.match(text)
    return int(found[0]) if found else 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants to see before it is answered: a segment, or a part of it."""

    msn: int
    part: int | None

    def is_in(self, playlist: ReadPlaylist) -> bool:
        return not playlist.can_block or playlist.has(self.msn, self.part)


class BadDirective(Exception):
    """A query that asks for what no playlist can have. The text says why."""


def wanted(msn: str | None, part: str | None) -> Wanted | None:
    """Return what the query asks to wait for, None when it does not. Raises BadDirective.

    `msn` and `part` are `_HLS_msn` and `_HLS_part` as they came.
    """
    if msn is None:
        if part is not None:
            raise BadDirective("_HLS_part needs _HLS_msn beside it.")
        return None
    for name, value in (("_HLS_msn", msn), ("_HLS_part", part)):
        if value is not None and not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise BadDirective(f"{name} is a number of up to 18 digits.")
    return Wanted(int(msn), None if part is None else int(part))


def check_reach(asked: Wanted, playlist: ReadPlaylist) -> None:
    """Raises BadDirective for a segment that is too far away to wait for."""
    if playlist.can_block and asked.msn > playlist.last_msn + AHEAD_MAX:
        raise BadDirective(f"_HLS_msn may be {playlist.last_msn + AHEAD_MAX} at most for now.")
