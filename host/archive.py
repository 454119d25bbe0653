"""A backup as one file: a tar with a manifest, the database, the secret key, the pictures, and checksums of all.

Called by backup and restore. It knows neither Django nor PostgreSQL. The file is not compressed: the dump of the
database already is, and pictures do not get smaller. A backup may be cut short, damaged or made to do harm. So all is
checked before anything is used, and only plain files with our names are taken out.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self, cast

from host.errors import Unusable

FORMAT = 1
MANIFEST, DATABASE, SECRET_KEY, SUMS = "manifest.json", "database.dump", "secret_key", "sums.json"
MEDIA = "media/"
SMALL_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18


def file_named(text: str) -> Path:
    """Return the path of a backup on the command line. Raises ArgumentTypeError for a text that names no file."""
    if text.strip() in ("", "-"):
        raise ArgumentTypeError(f"the name of a file is needed, not {text!r}")
    return Path(text)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup. `postgres` and `dumped_by` are major versions: of the server, and of the `pg_dump` used."""

    format: int
    version: str
    made_at: str
    postgres: int
    dumped_by: int
    migrations: Mapping[str, list[str]]


# Writing


class BackupWriter(AbstractContextManager["BackupWriter"]):
    """Writes a backup. The end of the block adds the checksums. Without these the backup is not whole."""

    def __init__(self, file: IO[bytes], manifest: Manifest) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  (closed in the end)
        self._sums: dict[str, str] = {}
        self.add(MANIFEST, json.dumps(asdict(manifest)).encode())

    def add(self, name: str, data: bytes) -> None:
        self._add(name, io.BytesIO(data), len(data))

    def add_file(self, name: str, file: IO[bytes]) -> None:
        """Add an open file with its present length. Raises Unusable when it gets shorter while it is read."""
        found = os.fstat(file.fileno())
        if found.st_size <= SMALL_BYTES:
            # A playlist is written again and again: read it at one moment.
            data = file.read(found.st_size)
            self._add(name, io.BytesIO(data), len(data), found.st_mtime)
            return
        try:
            self._add(name, file, found.st_size, found.st_mtime)
        except OSError as error:
            if error.errno:
                raise
            raise Unusable(f"{name} got shorter while it was read: try again") from error

    def _add(self, name: str, file: IO[bytes], size: int, mtime: float = 0) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, mtime
        reader = _Summing(file)
        self._tar.addfile(member, cast("IO[bytes]", reader))
        self._sums[name] = reader.sum.hexdigest()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.add(SUMS, json.dumps(self._sums).encode())
        self._tar.close()


class _Summing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sum.update(data)
        return data


# Reading


class BackupReader:
    """A backup, read to its end and found whole. Raises Unusable otherwise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with ExitStack() as stack:
                self._tar = stack.enter_context(tarfile.open(path, "r:"))
                self._members = self._checked()
                self._open = stack.pop_all()
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror or error}") from error
        except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
            raise Unusable(f"{path} is no backup, or not a whole one: {error}") from error

    def _checked(self) -> dict[str, tarfile.TarInfo]:
        found: dict[str, tarfile.TarInfo] = {}
        sums: dict[str, str] = {}
        for member in self._tar:
            if not found:
                self.manifest = self._read_manifest(member)
            # Plain files only: no links, no devices, no file with holes.
            if member.type != tarfile.REGTYPE or not _is_ours(member.name) or member.name in found:
                raise ValueError(f"it has something else in it, {member.name!r}")
            found[member.name] = member
            sums[member.name] = hashlib.file_digest(cast("Any", self._file(member)), "sha256").hexdigest()
        if list(found)[-1:] != [SUMS]:
            raise ValueError("its end is missing")
        known = json.loads(self._file(found[SUMS]).read())
        del sums[SUMS]
        if wrong := [name for name in {**known, **sums} if known.get(name) != sums.get(name)]:
            raise ValueError(f"{wrong[0]} is not what it was")
        if missing := {DATABASE, SECRET_KEY} - found.keys():
            raise ValueError(f"{min(missing)} is missing")
        return found

    def _read_manifest(self, member: tarfile.TarInfo) -> Manifest:
        if member.name != MANIFEST or member.size > SMALL_BYTES:
            raise ValueError("it does not begin like one")
        try:
            fields = json.loads(self._file(member).read())
            if fields["format"] > FORMAT:
                raise Unusable(f"{self._path} was made by a newer release, {fields['version']}")
            return Manifest(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("what it says of itself makes no sense") from error

    def _file(self, member: tarfile.TarInfo) -> IO[bytes]:
        file = self._tar.extractfile(member)
        if file is None:
            raise ValueError(f"{member.name!r} is no file")
        return file

    def open(self, name: str) -> IO[bytes]:
        return self._file(self._members[name])

    def take_media(self, folder: Path) -> int:
        """Write the pictures into a new folder. Returns their number. Raises OSError."""
        names = [name for name in self._members if name.startswith(MEDIA)]
        for name in names:
            path = folder / name.removeprefix(MEDIA)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(self.open(name), file, _BLOCK_BYTES)
            os.utime(path, (self._members[name].mtime, self._members[name].mtime))
        return len(names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _is_ours(name: str) -> bool:
    """Return whether a backup may have a member of that name. A picture must not lead out of the media folder."""
    if not name.startswith(MEDIA):
        return name in (MANIFEST, DATABASE, SECRET_KEY, SUMS)
    parts = PurePosixPath(name).parts
    return (
        len(parts) > 1
        and "/".join(parts) == name
        and "\0" not in name
        and not any(part.startswith(".") for part in parts)
    )


def walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Return the pictures below a folder with their names in a backup. No links, no hidden or half-written files."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if not name.startswith(".") and path.suffix != ".tmp" and not path.is_symlink():
                yield f"{MEDIA}{path.relative_to(folder).as_posix()}", path
