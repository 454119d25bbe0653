"""What players read: the live playlist with its window of segments, and the list of a recording.

Called by the packager and `recording`; `reading` makes the same lists out of their text again. Pure: state and text.

What Apple's players refuse is kept exactly: TARGETDURATION, PART-TARGET and PART-HOLD-BACK never change, and no part is
listed as longer than PART-TARGET. A part that is longer (a frame came late) is listed with PART-TARGET; its segment has
its true length. Parts may be shorter than 85 % of PART-TARGET, against section 4.4.4.9, where a keyframe comes inside a
segment, and where frames are slow or the sound is ahead: a fragment is what ffmpeg makes, and players do not mind.
EXT-X-INDEPENDENT-SEGMENTS is left out: it would have to be true for good, and keyframes that are far apart break it.
INDEPENDENT=YES of the parts says the same.
Source: draft-pantos-hls-rfc8216bis, sections 4.4 and 6.2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

LIVE, DELTA = "live.m3u8", "live-delta.m3u8"
PARTS_TARGETS = 3
"""How many target durations before the end parts are listed, and how many after that their files stay."""
HOLD_BACK_TARGETS = 3
SKIP_TARGETS = 6


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a segment that is a file of its own. `independent`: a player can begin with it."""

    name: str
    duration: float
    independent: bool


@dataclass(slots=True)
class Segment:
    """A file of media. `init` names the file with the head of its stream; `started_at_ms` is the time of day at which
    it was filmed; after a `discontinuity` nothing goes on from the segment before.
    """

    name: str
    init: str
    started_at_ms: int
    discontinuity: bool
    duration: float = 0.0
    parts: list[Part] = field(default_factory=list)

    def breaks(self, init: str) -> str:
        """Return what says how it differs from a segment with this `init`."""
        return ("#EXT-X-DISCONTINUITY\n" if self.discontinuity else "") + (
            f'#EXT-X-MAP:URI="{self.init}"\n' if self.init != init else ""
        )

    @property
    def date(self) -> str:
        time = datetime.fromtimestamp(self.started_at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return f"#EXT-X-PROGRAM-DATE-TIME:{time.replace('+00:00', 'Z')}\n"

    @property
    def media(self) -> str:
        return f"#EXTINF:{self.duration:.5f},\n{self.name}\n"


@dataclass(slots=True)
class LivePlaylist:
    """The window of segments that players may go back in, and the segment that grows at its end.

    `sequence` is the media sequence number of the first segment; `discontinuities` counts those before it.
    """

    target_seconds: int
    part_target_seconds: float
    part_hold_back_seconds: float
    sequence: int = 0
    discontinuities: int = 0
    segments: deque[Segment] = field(default_factory=deque)
    growing: Segment | None = None
    next_part: str | None = None
    """The name of the part that comes next, whichever segment it will be in. Nothing: the broadcast has ended."""
    _texts: deque[tuple[str, str]] = field(default_factory=deque)
    """Date and media of each segment: they do not change, and are written with each part."""

    def __post_init__(self) -> None:
        self._texts.extend((segment.date, segment.media) for segment in self.segments)

    @property
    def next_sequence(self) -> int:
        return self.sequence + len(self.segments)

    @property
    def duration(self) -> float:
        return sum(segment.duration for segment in self.segments)

    def close(self) -> Segment | None:
        """Make a whole segment of the one that grows."""
        closed, self.growing = self.growing, None
        if closed is not None:
            self.segments.append(closed)
            self._texts.append((closed.date, closed.media))
        return closed

    def shorten(self, window_seconds: float) -> list[Segment]:
        """Take segments from the front until the window is no longer than that. Returns them."""
        removed, duration = [], self.duration
        while len(self.segments) > 1 and duration - self.segments[0].duration >= window_seconds:
            first = self.segments.popleft()
            self._texts.popleft()
            duration -= first.duration
            self.sequence += 1
            self.discontinuities += first.discontinuity
            removed.append(first)
        return removed

    def forget_parts(self) -> list[Part]:
        """Take off the list the parts that are far from its end; all of them when the broadcast has ended."""
        forgotten: list[Part] = []
        limit = PARTS_TARGETS * self.target_seconds if self.next_part else 0
        behind = self.growing.duration if self.growing else 0.0
        for segment in reversed(self.segments):
            if behind >= limit:
                if not segment.parts:
                    break
                forgotten += segment.parts
                segment.parts = []
            behind += segment.duration
        return forgotten

    def text(self, *, delta: bool = False) -> str:
        """Return the playlist; as a `delta`, without the segments that a player has seen some time ago."""
        skipped = self._skipped() if delta else 0
        lines = [self._header()]
        if skipped:
            lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n")
        init = ""
        for segment, (date, media) in islice(zip(self.segments, self._texts, strict=True), skipped, None):
            lines += [segment.breaks(init), date, *self._parts(segment), media]
            init = segment.init
        if self.growing is not None:
            lines += [self.growing.breaks(init), self.growing.date, *self._parts(self.growing)]
        lines.append(
            f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{self.next_part}"\n' if self.next_part else "#EXT-X-ENDLIST\n"
        )
        return "".join(lines)

    def _header(self) -> str:
        target = self.target_seconds
        return (
            f"#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{target}\n"
            f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={SKIP_TARGETS * target:.1f},"
            f"HOLD-BACK={HOLD_BACK_TARGETS * target:.1f},PART-HOLD-BACK={self.part_hold_back_seconds:.3f}\n"
            f"#EXT-X-PART-INF:PART-TARGET={self.part_target_seconds:.5f}\n"
            f"#EXT-X-MEDIA-SEQUENCE:{self.sequence}\n#EXT-X-DISCONTINUITY-SEQUENCE:{self.discontinuities}\n"
        )

    def _skipped(self) -> int:
        """Return how many segments end before the skip boundary."""
        boundary = SKIP_TARGETS * self.target_seconds
        behind = self.growing.duration if self.growing else 0.0
        for kept, segment in enumerate(reversed(self.segments)):
            if behind >= boundary:
                return len(self.segments) - kept
            behind += segment.duration
        return 0

    def _parts(self, segment: Segment) -> Iterator[str]:
        for part in segment.parts:
            duration = min(part.duration, self.part_target_seconds)
            independent = ",INDEPENDENT=YES" if part.independent else ""
            yield f'#EXT-X-PART:DURATION={duration:.5f},URI="{part.name}"{independent}\n'


def recording_text(segments: Iterable[Segment], *, target_seconds: int, whole: bool) -> str:
    """Return the list of a recording: `whole` when nothing will be added."""
    kind = "VOD" if whole else "EVENT"
    lines = [f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target_seconds}\n#EXT-X-PLAYLIST-TYPE:{kind}\n"]
    init = ""
    for segment in segments:
        lines += [segment.breaks(init), segment.date, segment.media]
        init = segment.init
    return "".join([*lines, "#EXT-X-ENDLIST\n" if whole else ""])
