"""Write a backup: database, pictures and secret key in one file. Called by `manage.py backup`; the site may run.

The database is as it was at one moment. Pictures are read after that. A picture that is deleted meanwhile is missing.
The file is written under another name and renamed, so a file with the backup's name is always whole.
"""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from host import dumps
from host.archive import DATABASE, FORMAT, SECRET_KEY, BackupWriter, Manifest, walk
from host.errors import Unusable
from web.pictures import open_regular


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written."""

    path: Path
    size_bytes: int
    pictures: int


def write(path: Path, *, replace: bool = False) -> Made:
    """Write a backup of the site. Raises Unusable, and then leaves nothing behind."""
    path = path.absolute()
    try:
        _check_place(path, replace=replace)
        # No other user may enter it: with the secret key one can sign in as anybody.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            return _write(path, Path(folder))
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror or error}") from error


def _check_place(path: Path, *, replace: bool) -> None:
    """Raise Unusable where no backup belongs: a device, a link, a folder, or among the pictures. Raises OSError."""
    if path.is_relative_to(Path(settings.MEDIA_ROOT).resolve()):
        raise Unusable(f"{path} is among the pictures, which are backed up")
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise Unusable(f"{path} is there already, and is no file that could be replaced")
    if not replace:
        raise Unusable(f"{path} is there already; --force writes over it")


def _write(path: Path, folder: Path) -> Made:
    postgres = dumps.server_major(settings.DATABASE_URL)
    major, programs = dumps.programs(at_least=postgres)
    if not (migrations := applied_migrations()):
        raise Unusable("the database has no tables: there is nothing to back up")
    manifest = Manifest(
        format=FORMAT,
        version=settings.VERSION,
        made_at=timezone.now().isoformat(timespec="seconds"),
        postgres=postgres,
        dumped_by=major,
        migrations=migrations,
    )
    dumps.dump(settings.DATABASE_URL, folder / DATABASE, folder=programs)
    with open(folder / "new", "xb", opener=_private) as file:
        with BackupWriter(file, manifest) as writer:
            with (folder / DATABASE).open("rb") as dumped:
                writer.add_file(DATABASE, dumped)
            writer.add(SECRET_KEY, settings.SECRET_KEY.encode())
            pictures = sum(_add(writer, name, picture) for name, picture in walk(Path(settings.MEDIA_ROOT)))
        file.flush()
        os.fsync(file.fileno())
        size_bytes = file.tell()
    os.replace(folder / "new", path)
    return Made(path, size_bytes, pictures)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, mode=0o600)


def _add(writer: BackupWriter, name: str, picture: Path) -> bool:
    try:
        file = open_regular(picture)
    except OSError:
        return False
    with file:
        writer.add_file(name, file)
    return True


def applied_migrations() -> dict[str, list[str]]:
    """Return which migrations the database has, by app."""
    found: dict[str, list[str]] = {}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        found.setdefault(app, []).append(name)
    return found
