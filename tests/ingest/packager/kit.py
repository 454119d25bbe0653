"""What the tests of the packager share: a store in memory, and a broadcast at its own pace."""

from __future__ import annotations

from collections.abc import Callable

from ingest.packager import Durations, Packager
from tests.ingest.packager.streams import pieces
from web.store import MediaStore, StoreFull

START = 1_790_000_000.0
"""The time of day at which broadcasts begin here."""


class Shelf:
    """A store in memory, with `room` for so many bytes; each version of the live playlist is kept."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.room: float = float("inf")
        self.lists: list[str] = []

    def write(self, name: str, data: bytes) -> None:
        if sum(map(len, self.files.values())) + len(data) > self.room:
            raise StoreFull(name)
        self.files[name] = data
        if name == "live.m3u8":
            self.lists.append(data.decode())

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def delete(self, *names: str) -> None:
        for name in names:
            self.files.pop(name, None)

    def sizes(self) -> dict[str, int]:
        return {name: len(data) for name, data in self.files.items()}

    @property
    def live(self) -> str:
        return self.files["live.m3u8"].decode()


class Broadcast:
    """A packager whose clock goes on by 200 ms with each fragment."""

    def __init__(self, store: MediaStore, *, recording: bool = False, durations: Durations | None = None) -> None:
        self.now = START
        self.reports: list[str] = []
        self._store, self._recording, self._durations = store, recording, durations
        self.restart()

    def restart(self) -> None:
        """Let another process go on."""
        self.packager = Packager(
            self._store,
            clock=lambda: self.now,
            durations=self._durations,
            recording=self._recording,
            report=self.reports.append,
        )

    def send(self, stream: bytes, *, change: Callable[[list[bytes]], list[bytes]] = lambda cut: cut) -> None:
        for piece in change(pieces(stream)):
            self.now += 0.2
            self.packager.feed(piece)
