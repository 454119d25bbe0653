"""The renditions of one picture: as it came, and smaller ones, each with a packager, all in one folder and one list.

Made by the ingest's desk for a broadcast, which treats it as one packager. Only the picture as it came is recorded. A
smaller one may lag behind by the time that it takes to encode, and ends where its encoder ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ingest.packager.master import Master
from ingest.packager.packager import Packager
from web.store import MediaStore, StoreFull


class Renditions:
    """`heights`: of the smaller ones, in lines of the picture. Methods raise StoreFull when all have been called."""

    def __init__(
        self, store: MediaStore, *, heights: Sequence[int] = (), recording: bool = False, report: Callable[[str], None]
    ) -> None:
        master = Master(store)
        self._master = master
        self._full = Packager(store, recording=recording, report=report, master=master)
        self._smaller = {
            height: Packager(store, prefix=f"{height}p-", master=master, report=lambda words: None)
            for height in heights
        }
        self._coming: list[Packager] = [self._full]
        for packager in self._all:
            packager.join(partial(self._reports, packager))

    @property
    def _all(self) -> list[Packager]:
        return [self._full, *self._smaller.values()]

    @property
    def heights(self) -> tuple[int, ...]:
        return tuple(self._smaller)

    @property
    def has_begun(self) -> bool:
        """Whether players get what this encoder sends."""
        return self._full.has_begun

    def begin(self, heights: Sequence[int], *, again: bool) -> None:
        """Expect an encoder that makes these smaller ones beside its own. `again`: another one came before."""
        self._coming = [self._full, *(self._smaller[height] for height in heights)]
        self._master.expect(tuple(packager.playlist for packager in self._coming))
        if again:
            self._each(Packager.discontinue)

    def feed(self, index: int, data: bytes) -> None:
        """Take what an encoder made: 0, the picture as it came; then the smaller ones in their order."""
        self._coming[index].feed(data)

    def record(self) -> None:
        self._full.record()

    def stop_recording(self) -> None:
        self._full.stop_recording()

    def let_go(self, names: frozenset[str]) -> None:
        """Say which recorded files are kept elsewhere too."""
        self._full.let_go(names)

    def make_room(self) -> None:
        self._each(Packager.make_room)

    def end(self) -> None:
        self._each(Packager.end)

    def sweep(self) -> None:
        self._each(Packager.sweep)

    def _each(self, act: Callable[[Packager], None]) -> None:
        full: StoreFull | None = None
        for packager in self._all:
            try:
                act(packager)
            except StoreFull as error:
                full = error
        if full is not None:
            raise full

    def _reports(self, asking: Packager) -> str:
        return "".join(packager.report_line for packager in self._coming if packager is not asking)
