"""What a packager has written: segments and parts with the lists of them, and how long each file stays.

Called by the packager; calls the store. When it begins on a folder with a live playlist, it goes on where that ends.
Methods raise StoreFull, and can be called again after it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from ingest.packager.durations import Durations
from ingest.packager.playlist import DELTA, LIVE, PARTS_TARGETS, LivePlaylist, Part, Segment
from ingest.packager.reading import read_live
from ingest.packager.recording import Recording
from ingest.packager.retention import Retention
from web.store import MediaStore

logger = logging.getLogger(__name__)

# Parts of ffmpeg last 200 ms and up to a frame more. 85 % of this target are just below 200 ms, and it has room for the
# 233 ms that a late frame of 30 a second makes of them.
_PART_TARGET_SECONDS = 0.235
_PART_TARGET_MAX_SECONDS = 1.0
# Slow frames make longer parts: room for those that are a little longer than the first one.
_PART_ROOM = 1.15
# How much PART-HOLD-BACK must be, in parts.
_HOLD_BACK_PARTS = 3
_INIT = "-init.mp4"
_OURS = r"(\d{10,})(?:[-_]\d+\.m4s|-init\.mp4)"


class Output:
    """The files of one rendition. `recording` says which of them stay; `others` how far other renditions are."""

    def __init__(self, store: MediaStore, durations: Durations, *, recording: bool, prefix: str) -> None:
        self.others: Callable[[], str] = str
        self.playlist = f"{prefix}{LIVE}"
        self._delta = f"{prefix}{DELTA}"
        self._ours = re.compile(re.escape(prefix) + _OURS)
        self._store = store
        self._durations = durations
        self._retention = Retention(store)
        self._data: list[bytes] = []
        self._last_run = 0
        self._is_broken = False
        self._live = self._read_live()
        self.recording = Recording(
            store,
            on=recording,
            target_seconds=self._target,
            behind_max_seconds=durations.window / 2,
            prefix=prefix,
        )
        self._resume()

    @property
    def growing(self) -> Segment | None:
        """The segment that is not whole yet; it has parts."""
        return self._live.growing if self._live else None

    @property
    def report_line(self) -> str:
        """How far the live playlist is, for that of another rendition (section 4.4.5.4)."""
        live = self._live
        if live is None or self.is_empty:
            return ""
        last = live.growing if live.growing and live.growing.parts else live.segments[-1]
        sequence = live.next_sequence - (last is not live.growing)
        part = f",LAST-PART={len(last.parts) - 1}" if last.parts else ""
        return f'#EXT-X-RENDITION-REPORT:URI="{self.playlist}",LAST-MSN={sequence}{part}\n'

    @property
    def growing_bytes(self) -> int:
        return sum(map(len, self._data))

    @property
    def is_empty(self) -> bool:
        """Whether no segment is whole."""
        return self._live is None or not self._live.segments

    def new_run(self, now_ms: int) -> int:
        """Return a number that begins no name yet: the time, unless the clock went back."""
        self._last_run = max(now_ms, self._last_run + 1)
        return self._last_run

    def write(self, name: str, data: bytes) -> None:
        """Write a file that is not listed yet."""
        self._store.write(name, data)

    def interrupt(self) -> None:
        """Let nothing go on from the last segment."""
        self._is_broken = True

    def begin(self, *, init: str, started_at_ms: int, first_part_seconds: float) -> None:
        """Begin a segment; its parts are added then."""
        if self._live is None:
            self._live = self._new_live(first_part_seconds)
        broken = self._is_broken and not self.is_empty
        self._live.growing = Segment("", init, started_at_ms, broken)
        self._is_broken = False

    def add(self, part: Part, data: bytes, *, next_part: str) -> None:
        """List a part, which is written already, at the end of the segment that grows; and say what comes next."""
        assert self._live is not None and self._live.growing is not None
        self._data.append(data)
        self._live.growing.parts.append(part)
        self._live.growing.duration += part.duration
        self._live.next_part = next_part
        self._retention.publish(part.duration)

    def expect(self, next_part: str) -> None:
        """Say which part comes next."""
        if self._live is not None:
            self._live.next_part = next_part

    def close(self) -> tuple[int, float] | None:
        """Write the segment that grows. Returns its bytes and seconds, if there is one."""
        if self._live is None or (segment := self._live.growing) is None:
            return None
        data = b"".join(self._data)
        segment.name = f"{segment.init.removesuffix(_INIT)}-{self._live.next_sequence}.m4s"
        self._store.write(segment.name, data)
        self._live.close()
        self._data.clear()
        self.recording.add(segment)
        return len(data), segment.duration

    def publish(self) -> None:
        """Write the lists, once there is a whole segment: players take a list without one for an empty one."""
        live = self._live
        if live is None or self.is_empty:
            return
        for segment in live.shorten(self._durations.window):
            self._retire_segment(live, segment)
        self._retire_parts(live, live.forget_parts())
        others = self.others() if live.next_part else ""
        self._store.write(self._delta, (live.text(delta=True) + others).encode())
        self._store.write(self.playlist, (live.text() + others).encode())
        self.recording.save()

    def end(self) -> None:
        """Say that nothing more will come, and write the replay of what is recorded."""
        self.close()
        if self._live is not None:
            self._live.next_part = None
            self.publish()
        self.recording.finish()

    def make_room(self) -> None:
        """Give up the older half of the window, or more if all of it is recorded, and what is no longer listed.

        Raises StoreFull for the lists.
        """
        live = self._live
        if live is not None:
            gone = live.shorten(live.duration / 2)
            while len(live.segments) > 1 and all(self.recording.keeps(segment.name) for segment in gone):
                gone += live.shorten(live.duration - live.segments[0].duration)
            for segment in gone:
                self._retire_segment(live, segment)
        self._retention.sweep()
        self.publish()

    def sweep(self) -> None:
        """Delete what is no longer listed."""
        self._retention.sweep()

    def _retire_segment(self, live: LivePlaylist, segment: Segment) -> None:
        self._retire_parts(live, segment.parts)
        names = [segment.name] if segment.init == live.segments[0].init else [segment.name, segment.init]
        for name in names:
            if not self.recording.keeps(name):
                self._retention.retire(name, stays_seconds=segment.duration + live.duration)

    def _retire_parts(self, live: LivePlaylist, parts: list[Part]) -> None:
        for part in parts:
            self._retention.retire(part.name, stays_seconds=PARTS_TARGETS * live.target_seconds)

    @property
    def _target(self) -> int:
        return self._live.target_seconds if self._live else self._durations.target

    def _new_live(self, part_seconds: float) -> LivePlaylist:
        target = min(max(_PART_TARGET_SECONDS, round(part_seconds * _PART_ROOM, 3)), _PART_TARGET_MAX_SECONDS)
        return LivePlaylist(
            target_seconds=self._durations.target,
            part_target_seconds=target,
            part_hold_back_seconds=max(self._durations.part_hold_back, _HOLD_BACK_PARTS * target),
        )

    def _read_live(self) -> LivePlaylist | None:
        text = self._store.read(self.playlist)
        if text is None:
            return None
        try:
            live = read_live(text.decode())
        except (ValueError, KeyError) as error:
            logger.warning("a live playlist cannot be read, another one begins: %s", error)
            return None
        live.target_seconds = max(live.target_seconds, self._durations.target)
        return live

    def _resume(self) -> None:
        """Go on after another process: its last parts become a segment, what it no longer listed is deleted later."""
        live = self._live
        listed: set[str] = set()
        self.recording.resume(live.segments if live else ())
        if live is not None:
            self._is_broken = True
            listed = {name for segment in live.segments for name in (segment.name, segment.init)}
            listed |= {part.name for segment in live.segments for part in segment.parts}
        if live is not None and live.growing is not None:
            listed |= {live.growing.init, *(part.name for part in live.growing.parts)}
            found = [self._store.read(part.name) for part in live.growing.parts]
            self._data = [data for data in found if data is not None]
            if len(self._data) < len(found):
                live.growing = None
                self._data.clear()
        for name in self._store.sizes():
            if (match := self._ours.fullmatch(name)) is not None:
                self._last_run = max(self._last_run, int(match[1]))
                if name not in listed and not self.recording.keeps(name):
                    self._retention.retire(name, stays_seconds=live.duration if live else 0.0)
