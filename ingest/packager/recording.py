"""The recording: which segments stay for good, and the playlist that plays them from the start.

Called by the packager. While a broadcast goes on, `recording.m3u8` is behind the live playlist by half of its window at
most: both together say after a crash what was recorded. At the end it becomes `replay.m3u8`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.packager.playlist import Segment, recording_text
from ingest.packager.reading import read_recording
from web.store import MediaStore

RECORDING, REPLAY = "recording.m3u8", "replay.m3u8"


class Recording:
    """The segments that stay. `on`: further ones are added."""

    def __init__(
        self, store: MediaStore, *, on: bool, target_seconds: int, behind_max_seconds: float, prefix: str = ""
    ) -> None:
        self.on = on
        self._recording, self._replay = f"{prefix}{RECORDING}", f"{prefix}{REPLAY}"
        self._store = store
        self._target_seconds = target_seconds
        self._behind_max_seconds = behind_max_seconds
        self._behind_seconds = 0.0
        self._segments: list[Segment] = []
        self._names: set[str] = set()
        self._is_broken = False
        self._elsewhere: frozenset[str] = frozenset()

    def resume(self, listed: Sequence[Segment]) -> None:
        """Take what is recorded already, and what is listed live if the recording is on. Raises StoreFull."""
        text = self._store.read(self._recording) or self._store.read(self._replay) or b""
        for segment in read_recording(text.decode()):
            self._take(segment)
        for segment in listed:
            self.add(segment)
        # Without a live playlist, as after a trim, nothing else says that the next one does not go on from these.
        self._is_broken = bool(self._segments) and not listed

    def add(self, segment: Segment) -> None:
        """Keep a segment, if the recording is on."""
        if self.on and segment.name not in self._names:
            self._take(replace(segment, discontinuity=True, parts=[]) if self._is_broken else segment)
            self._is_broken = False
            self._behind_seconds += segment.duration

    def let_go(self, names: frozenset[str]) -> None:
        """Say which of its files are kept elsewhere too: they may go when nobody plays them live any more."""
        self._elsewhere = names

    def keeps(self, name: str) -> bool:
        """Whether a file stays here for the recording."""
        return name in self._names and name not in self._elsewhere

    def save(self) -> None:
        """Write the list if it is far behind, or if nothing more will come. Raises StoreFull; then call it again."""
        if self._behind_seconds > (self._behind_max_seconds if self.on else 0.0):
            self._write(self._recording, whole=False)
            self._behind_seconds = 0.0

    def finish(self) -> None:
        """Write `replay.m3u8`, if anything was recorded. Raises StoreFull; then call it again."""
        if self._segments:
            self._write(self._replay, whole=True)
            self._store.delete(self._recording)

    def _take(self, segment: Segment) -> None:
        self._segments.append(segment)
        self._names.update((segment.name, segment.init))

    def _write(self, name: str, *, whole: bool) -> None:
        text = recording_text(self._segments, target_seconds=self._target_seconds, whole=whole)
        self._store.write(name, text.encode())
