"""Make a site of a backup. Called by `manage.py restore`, while no process of the site runs.

Everything is made ready beside the present site: the whole file is checked, the database is filled and migrated under
another name, the pictures are unpacked. Then the parts are swapped, the database last, because its swap is one
transaction. If something fails before that, all is undone. If a restore is killed in between, the next one names what
it has left.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader

from host import databases, dumps, embedded, former, preparation
from host.archive import DATABASE, SECRET_KEY, BackupReader, Manifest
from host.errors import Unusable
from host.waiting import wait_until
from realtime.log.epoch import draw_epoch
from web.pictures import keep_folder

LEAVING_SECONDS = 3.0
"""So long the sessions of a site that has just been stopped may take to go."""
# Names beside the database and in the media folder: for the backup's content, and for the content it replaces.
NEW_DATABASE, OLD_DATABASE = "{}_restored", "{}_before_restore"
NEW_MEDIA, OLD_MEDIA = ".restored", ".before-restore"


def restore(path: Path, *, replace: bool, say: Callable[[str], object]) -> None:
    """Make the site of the backup. `replace`: also if there is a site already.

    Raises Unusable, after which nothing has changed.
    """
    connection.close()
    preparation.close_connections()
    with BackupReader(path) as backup:
        manifest = backup.manifest
        _refuse_newer(path, manifest)
        _refuse_busy()
        if (present := dumps.server_major(settings.DATABASE_URL)) < manifest.postgres:
            raise Unusable(
                f"{path} is of PostgreSQL {manifest.postgres}, and this is {present}: restore into a newer one"
            )
        is_empty = dumps.is_empty(settings.DATABASE_URL)
        if not replace and not (is_empty and not any(_pictures())):
            raise Unusable("there is a site already; --replace puts the backup in its place")
        try:
            _restore(backup, is_empty=is_empty, at_least=max(present, manifest.dumped_by))
        except OSError as error:
            raise Unusable(f"{error.filename or path}: {error.strerror or error}") from error
        say(f"Restored: the backup of {manifest.made_at}, made by release {manifest.version}.")
        if _key_is_given() and _key(backup) != settings.SECRET_KEY:
            say(
                "SECRET_KEY in the environment is not the one of the backup: all are signed out. Set it to what"
                f" this prints: tar -xOf {path} {SECRET_KEY}"
            )


def _refuse_newer(path: Path, manifest: Manifest) -> None:
    known = MigrationLoader(None).disk_migrations
    names = {*known, *(name for migration in known.values() for name in migration.replaces)}
    names |= {(app, migration) for app, migrations in former.MIGRATIONS.items() for migration in migrations}
    for app, migrations in manifest.migrations.items():
        for migration in migrations:
            if (app, migration) not in names:
                raise Unusable(
                    f"{path} was made by a newer release, {manifest.version}: this one, {settings.VERSION}, does not"
                    f" know the tables of {app}.{migration}"
                )


def _refuse_busy() -> None:
    found: list[str] = []

    def is_free() -> bool:
        found[:] = dumps.users(settings.DATABASE_URL)
        return not found

    if not wait_until(is_free, within_seconds=LEAVING_SECONDS, every_seconds=0.1):
        raise Unusable(f"the database is in use ({', '.join(found)}): stop the site first, on all machines")
    name = OLD_DATABASE.format(_database())
    if dumps.exists(settings.DATABASE_URL, name):
        raise Unusable(f"a restore was cut short and has left the database {name}: drop it when nobody needs it")
    if (left := _media() / OLD_MEDIA).exists():
        raise Unusable(f"a restore was cut short and has left {left}: move or delete it first")


def _restore(backup: BackupReader, *, is_empty: bool, at_least: int) -> None:
    url, own = settings.DATABASE_URL, _database()
    _, programs = dumps.programs(at_least=at_least)
    with ExitStack() as undo:
        keep_folder()
        new_media = _media() / NEW_MEDIA
        shutil.rmtree(new_media, ignore_errors=True)
        undo.callback(shutil.rmtree, new_media, ignore_errors=True)
        new_media.mkdir(mode=0o700)
        backup.take_media(new_media)
        if is_empty:
            database = own
            undo.callback(dumps.clear, url)
        else:
            database = NEW_DATABASE.format(own)
            undo.callback(dumps.drop, url, database)
            dumps.create(url, database)
        dumps.fill(url, backup.open(DATABASE), folder=programs, database=database)
        _bring_up_to_date(database)
        _swap_media(undo)
        if not _key_is_given():
            _swap_key(_key(backup), undo)
        if not is_empty:
            dumps.swap(url, new=database, old=OLD_DATABASE.format(own))
        undo.pop_all()
    if not is_empty:
        dumps.drop(url, OLD_DATABASE.format(own))
    for name in (NEW_MEDIA, OLD_MEDIA):
        shutil.rmtree(_media() / name, ignore_errors=True)


def _bring_up_to_date(database: str) -> None:
    """Migrate the database and draw a new epoch, so that no client takes positions of another history for its own."""

    def migrate() -> None:
        call_command("migrate", interactive=False, verbosity=0)

    connection.settings_dict["NAME"] = database
    try:
        if former.is_former(connection):
            former.bring_over(connection, migrate=migrate)
        migrate()
        draw_epoch()
    except Error as error:
        raise Unusable(f"the tables of the backup cannot be brought up to date: {error}".splitlines()[0]) from error
    finally:
        connection.close()
        preparation.close_connections()
        connection.settings_dict["NAME"] = _database()


def _database() -> str:
    return databases.parse(settings.DATABASE_URL)["dbname"]


# The pictures


def _media() -> Path:
    return Path(settings.MEDIA_ROOT)


def _pictures() -> Iterable[Path]:
    return [path for path in _media().glob("*") if not path.name.startswith(".")]


def _swap_media(undo: ExitStack) -> None:
    """Replace the pictures, one by one: the folder itself cannot be renamed where it is a disk of its own."""
    old = _media() / OLD_MEDIA
    old.mkdir(mode=0o700)
    undo.callback(old.rmdir)
    for path in _pictures():
        _move(path, old / path.name, undo)
    for path in list((_media() / NEW_MEDIA).iterdir()):
        _move(path, _media() / path.name, undo)


def _move(path: Path, to: Path, undo: ExitStack) -> None:
    path.rename(to)
    undo.callback(to.rename, path)


# The secret key


def _key(backup: BackupReader) -> str:
    return backup.open(SECRET_KEY).read().decode()


def _key_is_given() -> bool:
    """Return whether the environment has the key. Then the data folder keeps none."""
    return "SECRET_KEY" in os.environ


def _swap_key(key: str, undo: ExitStack) -> None:
    kept = settings.DATA_DIR / "secret_key"
    undo.callback(embedded.write_private, kept, settings.SECRET_KEY)
    embedded.write_private(kept, key)
