"""The rules of low-latency HLS, as a check of live playlists: each by itself, and each against the one before it.

Reads playlists by itself, not with the packager's code.
Source: draft-pantos-hls-rfc8216bis, sections 4.4 and 6.2; what Apple's players refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

# Parts are listed with five places.
PRECISION = 0.0001


@dataclass
class Listed:
    """A segment; the last one may have parts only."""

    sequence: int
    discontinuity: int
    init: str
    date: str
    name: str = ""
    seconds: float = 0.0
    parts: list[dict[str, str]] = field(default_factory=list)

    @property
    def part_seconds(self) -> float:
        return sum(float(part["DURATION"]) for part in self.parts)


@dataclass
class Playlist:
    """What a playlist says."""

    tags: dict[str, str]
    segments: list[Listed]

    @property
    def whole(self) -> list[Listed]:
        return [segment for segment in self.segments if segment.name]


def attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)}


def parse(text: str) -> Playlist:
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    tags = {name: value for name, _, value in (line.partition(":") for line in lines) if name.startswith("#EXT-X-")}
    sequence = int(tags.get("#EXT-X-MEDIA-SEQUENCE", 0))
    discontinuity = int(tags.get("#EXT-X-DISCONTINUITY-SEQUENCE", 0))
    sequence += int(attributes(tags.get("#EXT-X-SKIP", "")).get("SKIPPED-SEGMENTS", 0))
    segments: list[Listed] = []
    init = date = ""
    current: Listed | None = None
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name == "#EXT-X-DISCONTINUITY":
            discontinuity += 1
        elif name == "#EXT-X-MAP":
            init = attributes(value)["URI"]
        elif name == "#EXT-X-PROGRAM-DATE-TIME":
            date = value
        elif name in ("#EXT-X-PART", "#EXTINF"):
            current = current or Listed(sequence, discontinuity, init, date)
            if name == "#EXT-X-PART":
                current.parts.append(attributes(value))
            else:
                current.seconds = float(value.rstrip(","))
        elif not line.startswith("#"):
            assert current is not None
            current.name = line
            segments.append(current)
            sequence, current, date = sequence + 1, None, ""
    return Playlist(tags, [*segments, current] if current else segments)


def check(text: str, *, even: bool = True) -> Playlist:
    """Check a live playlist by itself. `even`: parts are about as long as they should be, but for the last two."""
    playlist = parse(text)
    control = attributes(playlist.tags["#EXT-X-SERVER-CONTROL"])
    target = int(playlist.tags["#EXT-X-TARGETDURATION"])
    part_target = float(attributes(playlist.tags["#EXT-X-PART-INF"])["PART-TARGET"])
    assert int(playlist.tags["#EXT-X-VERSION"]) >= 9
    assert control["CAN-BLOCK-RELOAD"] == "YES"
    assert float(control["CAN-SKIP-UNTIL"]) >= 6 * target
    assert float(control["HOLD-BACK"]) >= 3 * target
    assert float(control["PART-HOLD-BACK"]) >= 3 * part_target
    assert playlist.whole, "players take a list without a whole segment for an empty one"
    after = 0.0
    for segment in reversed(playlist.segments):
        assert segment.init and segment.date
        assert round(segment.seconds) <= target
        assert not segment.parts or after < 3 * target
        for part in segment.parts:
            assert float(part["DURATION"]) <= part_target
        for part in segment.parts[:-2]:
            assert not even or "INDEPENDENT" in part or float(part["DURATION"]) >= 0.85 * part_target
        after += segment.seconds or segment.part_seconds
    ended = "#EXT-X-ENDLIST" in text
    assert text.count("#EXT-X-PRELOAD-HINT") == (0 if ended else 1)
    assert text.splitlines()[-1].startswith("#EXT-X-ENDLIST" if ended else "#EXT-X-PRELOAD-HINT")
    return playlist


def check_all(texts: list[str], *, even: bool = True) -> Playlist:
    """Check the versions of a live playlist that a player read one after the other. Returns the last."""
    playlists = [check(text, even=even) for text in texts]
    for before, after in pairwise(playlists):
        for tag in ("#EXT-X-TARGETDURATION", "#EXT-X-PART-INF", "#EXT-X-SERVER-CONTROL"):
            assert before.tags[tag] == after.tags[tag]
        for tag in ("#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"):
            assert int(before.tags[tag]) <= int(after.tags[tag])
        _check_same(before, after)
        _check_hint(before, after)
    return playlists[-1]


def _check_same(before: Playlist, after: Playlist) -> None:
    """What is listed does not change: neither a segment nor its place, nor the parts that it has so far."""
    now = {segment.sequence: segment for segment in after.segments}
    for segment in before.segments:
        if (same := now.get(segment.sequence)) is not None:
            assert (same.discontinuity, same.init, same.date) == (segment.discontinuity, segment.init, segment.date)
            assert segment.name in ("", same.name)
            assert not same.parts or same.parts[: len(segment.parts)] == segment.parts
    assert max(now) >= max(segment.sequence for segment in before.segments)


def _check_hint(before: Playlist, after: Playlist) -> None:
    """The part that was hinted is the next one."""
    known = {part["URI"] for segment in before.segments for part in segment.parts}
    new = [part["URI"] for segment in after.segments for part in segment.parts if part["URI"] not in known]
    hinted = attributes(before.tags.get("#EXT-X-PRELOAD-HINT", "")).get("URI")
    assert not new or new[0] == hinted
