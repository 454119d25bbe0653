"""Where the files of a video's picture are kept: the one interface, and a local folder.

Called by the packager, by what reads and deletes recordings, and by the jobs; calls nothing. A file that is seen is
whole. The other place is a bucket (web.bucket); `web.kept` says which files are where.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
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

    def delete(self, *names: str) -> None:
        """Remove the files, those that there are."""

    def sizes(self) -> Mapping[str, int]:
        """Return the names of all files, with their bytes."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file that is read from elsewhere. `size` is of the whole; `pieces` are of the part that was asked for."""

    size: int
    changed_ns: int
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """`endpoint`: empty for Amazon's own. Without a key the usual places are looked at (variables named AWS_…, the role
    of the machine).
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    key: str = ""
    secret: str = ""


class Folder:
    """A local folder. It has one writer at a time. Raises OSError. `make`: make it if it is not there."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        if make:
            path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """Write beside and rename: nobody sees half a file. A crash of the machine may lose the last seconds."""
        temporary = self.path / _TEMPORARY
        try:
            temporary.write_bytes(data)
            temporary.replace(self.path / name)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise StoreFull(f"There is no room for {name} ({len(data)} bytes).") from error
            raise

    def read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, *names: str) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        found = {}
        for path in self.path.iterdir() if self.path.exists() else ():
            try:
                if path.is_file() and path.name != _TEMPORARY:
                    found[path.name] = path.stat().st_size
            except FileNotFoundError:
                continue  # deleted meanwhile
        return found
