"""Files that a node has fetched, on its own disk: so many bytes at most; what was asked for longest ago goes first.

Called by videos.elsewhere, from one event loop. Each process has a folder of its own, which goes with it; what a killed
process has left is removed by the next one.
"""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from videos.sources import SourceAway
from web.pictures import open_regular
from web.store import OpenedFile

_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class _Kept:
    size: int
    until: float


class FileCache:
    """`folder`: where this process makes its own. Files are known by name; one that is open can be read to its end."""

    def __init__(self, folder: Path, *, max_bytes: int, clock: Callable[[], float]) -> None:
        self._parent = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._folder: Path | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._numbers = 0
        self.bytes = 0

    async def open(self, name: str) -> BinaryIO | None:
        """Return the file, to be read; nothing if it is not here."""
        if self._folder is None or (kept := self._kept.get(name)) is None:
            return None
        if kept.until <= self._clock():
            self.drop(name)
            return None
        self._kept.move_to_end(name)
        try:
            return await asyncio.to_thread(open_regular, self._folder / name)
        except FileNotFoundError:
            return None

    def drop(self, name: str) -> None:
        """Remove the file, if it is here."""
        if self._folder is not None and (kept := self._kept.pop(name, None)) is not None:
            self.bytes -= kept.size
            (self._folder / name).unlink(missing_ok=True)

    async def keep(self, name: str, opened: OpenedFile, *, seconds: float) -> None:
        """Write a file whole, as old as it was, and make room for it. It stays for so long at most.

        Raises OSError, and SourceAway if less of it comes than was said.
        """
        if self._folder is None:
            self._folder = await asyncio.to_thread(_own_folder, self._parent)
        self._numbers += 1
        writing = self._folder / f".{self._numbers}"
        try:
            with await asyncio.to_thread(writing.open, "wb") as file:
                async for piece in opened.pieces:
                    await asyncio.to_thread(file.write, piece)
                written = file.tell()
            if written != opened.size:
                raise SourceAway(f"{name}: {written} of {opened.size} bytes came")
            os.utime(writing, ns=(opened.changed_ns, opened.changed_ns))
            self.drop(name)
            writing.replace(self._folder / name)
        except BaseException:
            writing.unlink(missing_ok=True)
            raise
        self._kept[name] = _Kept(opened.size, self._clock() + seconds)
        self.bytes += opened.size
        while self.bytes > self._max_bytes and len(self._kept) > 1:
            self.drop(next(iter(self._kept)))


def _own_folder(parent: Path) -> Path:
    """Make a folder that no other process uses, and remove those of processes that have ended."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (parent / _LOCK).open("wb") as making:
        fcntl.flock(making, fcntl.LOCK_EX)  # one process at a time, so that none removes what another is making
        for left in parent.iterdir():
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(dir=parent))
        # Held until the process ends, however it ends.
        fcntl.flock(os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / _LOCK).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # its process goes on, or it is no such folder
