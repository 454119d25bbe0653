"""Where a fragment lies in time: how long it lasts, whether time jumped before it, and what the clock said then.

Called by the packager for each fragment. The wall clock of a frame is its media time plus an offset, so that it is as
steady as the encoder's clock and does not shake with the network. The offset comes from the first fragment, and is
mended at the next segment when the fragments of a whole segment came too early or too late for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.packager.fragments import Timing

# Between one fragment and the next. More is a jump, and players must be told of it.
GAP_MAX_SECONDS = 1.0
OVERLAP_MAX_SECONDS = 0.5
# Nothing arrives before it was filmed, so early is certain. Late may be the network: more is allowed.
EARLY_MAX_SECONDS = 0.1
LATE_MAX_SECONDS = 1.0
_SHORTEST_SECONDS = 0.001


@dataclass(slots=True)
class _Clock:
    """`position` is the media time where the next fragment is expected; `offset` leads from it to the time of day."""

    position: float
    offset: float


class Timeline:
    """The time of one encoder. Times of day are in seconds since 1970."""

    def __init__(self) -> None:
        self._clock: _Clock | None = None
        self._latenesses: list[float] = []

    def restart(self) -> None:
        """Take the next fragment as the first of another time."""
        self._clock = None
        self._latenesses.clear()

    def jumps(self, timing: Timing) -> bool:
        """Whether the fragment does not follow the one before it."""
        if self._clock is None:
            return False
        return not -OVERLAP_MAX_SECONDS <= timing.start - self._clock.position <= GAP_MAX_SECONDS

    def begin_segment(self, timing: Timing, *, arrived_at: float) -> float:
        """Return the time of day at which a segment that begins with this fragment was filmed."""
        if self._clock is None:
            self._clock = _Clock(timing.start, arrived_at - timing.end)
        elif self._latenesses and not -EARLY_MAX_SECONDS <= min(self._latenesses) <= LATE_MAX_SECONDS:
            self._clock.offset += min(self._latenesses)
        self._latenesses.clear()
        return self._clock.position + self._clock.offset

    def advance(self, timing: Timing, *, arrived_at: float) -> float:
        """Go on to the end of the fragment. Returns its duration, which includes a small gap before it."""
        assert self._clock is not None
        self._latenesses.append(arrived_at - timing.end - self._clock.offset)
        duration = self.duration(timing)
        self._clock.position += duration
        return duration

    def duration(self, timing: Timing) -> float:
        """Return by how much the fragment leads on."""
        start = timing.start if self._clock is None else self._clock.position
        return max(_SHORTEST_SECONDS, timing.end - start)
