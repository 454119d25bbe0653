"""Where the files of a video are kept: the interface, and a local folder.

Called by the packager, from one thread or task at a time; calls nothing. A file that is seen is whole.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TEMPORARY = ".writing"


class StoreFull(Exception):
    """There is no room for a file; it is not written. The picture goes on as soon as there is."""


class MediaStore(Protocol):
    """The files of one video, by name."""

    def write(self, name: str, data: bytes) -> None:
        """Keep a file, whole or not at all, instead of an older one. Raises StoreFull."""

    def read(self, name: str) -> bytes | None:
        """Return a file, or nothing if there is none."""

    def delete(self, name: str) -> None:
        """Remove a file, if there is one."""

    def names(self) -> Iterable[str]:
        """Return the names of all files."""


class Folder:
    """A local folder, which is made if it is not there. It has one writer at a time. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """Write beside and rename: nobody sees half a file. A crash of the machine may lose the last seconds."""
        temporary = self._path / _TEMPORARY
        try:
            temporary.write_bytes(data)
            temporary.replace(self._path / name)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise StoreFull(f"There is no room for {name} ({len(data)} bytes).") from error
            raise

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        return [path.name for path in self._path.iterdir() if path.name != _TEMPORARY]
