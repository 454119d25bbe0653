"""The list of a recording, `replay.m3u8`: its segments with the time at which each was filmed, read and cut.

Called by videos.recordings. Pure. The ingest has written the list (ingest.packager.playlist); what is in it besides the
segments is kept as it is. Source: RFC 8216, section 4.3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_MAP = re.compile(r'#EXT-X-MAP:URI="([^"]+)"')
_DISCONTINUITY = "#EXT-X-DISCONTINUITY"
_DATE, _DURATION = "#EXT-X-PROGRAM-DATE-TIME:", "#EXTINF:"


@dataclass(frozen=True, slots=True)
class RecordedSegment:
    """`lines` stand before its name. `init` is the file with its head."""

    name: str
    init: str
    lines: tuple[str, ...]
    from_ms: int
    seconds: float

    @property
    def to_ms(self) -> int:
        return self.from_ms + round(self.seconds * 1000)

    @property
    def breaks(self) -> bool:
        """Whether it does not go on from the segment before."""
        return _DISCONTINUITY in self.lines


@dataclass(frozen=True, slots=True)
class RecordedList:
    header: tuple[str, ...]
    segments: tuple[RecordedSegment, ...]

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)

    @property
    def files(self) -> set[str]:
        """All files that the list names."""
        return {name for segment in self.segments for name in (segment.name, segment.init)}

    def between(self, from_ms: int, to_ms: int) -> RecordedList:
        """Return the list with those segments alone of which something was filmed then (epoch ms)."""
        kept = [one for one in self.segments if from_ms < to_ms and one.from_ms < to_ms and one.to_ms > from_ms]
        return RecordedList(self.header, tuple(kept))

    def text(self) -> str:
        lines, init = [*self.header], ""
        for number, segment in enumerate(self.segments):
            if segment.breaks and number:
                lines.append(_DISCONTINUITY)
            if segment.init != init:
                lines.append(f'#EXT-X-MAP:URI="{segment.init}"')
            lines += [line for line in segment.lines if line != _DISCONTINUITY]
            lines.append(segment.name)
            init = segment.init
        return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def read_recorded(text: str) -> RecordedList:
    """Return the list with this text. Raises ValueError for a text that is none."""
    header: list[str] = []
    segments: list[RecordedSegment] = []
    init, lines, from_ms, seconds = "", list[str](), 0, 0.0
    for line in filter(None, text.splitlines()):
        if match := _MAP.match(line):
            init = match[1]
        elif not line.startswith("#"):
            segments.append(RecordedSegment(line, init, tuple(lines), from_ms, seconds))
            lines = []
        elif line.startswith(_DATE):
            from_ms = round(datetime.fromisoformat(line.removeprefix(_DATE)).timestamp() * 1000)
            lines.append(line)
        elif line.startswith(_DURATION):
            seconds = float(line.removeprefix(_DURATION).partition(",")[0])
            lines.append(line)
        elif line == _DISCONTINUITY:
            lines.append(line)
        elif not segments and line != "#EXT-X-ENDLIST":
            header.append(line)
    return RecordedList(tuple(header), tuple(segments))


def span(segments: Sequence[RecordedSegment]) -> tuple[int, int]:
    """Return when the first was filmed, and when the last ended, in epoch ms."""
    return segments[0].from_ms, segments[-1].to_ms
