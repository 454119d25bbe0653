"""Times that go on, whatever an encoder says: ffmpeg, and players behind it, lose a picture whose time jumps.

Called by `flv` for each frame. Pure. Sound and picture have clocks of their own that may jump; where both jump by the
same, they stay together. A track that has nothing for a while does not jump: the other one tells how time went.
"""

from __future__ import annotations

JUMP_MS = 2_000  # forward; any step back is a jump
STEP_MAX_MS = 1_000
_WRAP = 1 << 32


class _Track:
    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.last: int | None = None
        self.step = 0


class SteadyTimes:
    """Mends the times of the tracks of one stream."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._newest = 0

    def steady(self, kind: int, time_ms: int) -> int:
        """Return the time of a frame, in order for its track."""
        track = self._tracks.get(kind)
        if track is None:
            track = self._tracks[kind] = _Track(self._first_offset(time_ms))
        if track.last is not None and not self._follows(track, time_ms, track.offset):
            track.offset = self._mended(track, time_ms)
        steady = time_ms + track.offset
        if track.last is not None:
            track.step = min(steady - track.last, STEP_MAX_MS)
        track.last = steady
        self._newest = max(self._newest, steady)
        return steady % _WRAP

    def _first_offset(self, time_ms: int) -> int:
        """Return the offset of a track that begins: it begins near the other one, and the first one anywhere."""
        other = next(iter(self._tracks.values()), None)
        if other is None:
            self._newest = time_ms
            return 0
        is_near = abs(time_ms + other.offset - self._newest) <= JUMP_MS
        return other.offset if is_near else self._newest - time_ms

    def _follows(self, track: _Track, time_ms: int, offset: int) -> bool:
        assert track.last is not None
        return track.last <= time_ms + offset <= self._newest + JUMP_MS

    def _mended(self, track: _Track, time_ms: int) -> int:
        """Return the offset that lets the track go on, with the other one if that has jumped by the same."""
        for other in self._tracks.values():
            if self._follows(track, time_ms, other.offset):
                return other.offset
        assert track.last is not None
        return track.last + track.step - time_ms
