"""What the database needs before the site serves: its tables, and an administrator.

Called by liveplatform.preparation, a process that ends, because the site's supervisor has no Django in its memory.
`is_prepared` says early, to host.site, whether the nodes may start meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import secrets
from collections.abc import Callable
from pathlib import Path

import django
from django.conf import settings

from host import embedded
from host.programs import CHECKOUT

PASSWORD = "admin_password"
NEW_PASSWORD = "admin_password.new"


def is_prepared(folder: Path) -> bool:
    """Return whether the last start left this database with the migrations that this checkout has.

    It is a guess that saves seconds. If it is wrong, nodes run while `migrate` works, but are not ready.
    """
    try:
        return (folder / "prepared").read_text() == _fingerprint(folder)
    except OSError:
        return False


def remember_prepared(folder: Path) -> None:
    """Note for the next start that the database is prepared. Without the note that start takes longer."""
    with contextlib.suppress(OSError):
        embedded.write_private(folder / "prepared", _fingerprint(folder))


def _fingerprint(folder: Path) -> str:
    # PostgreSQL writes this file once, when it makes the database: another database has another one.
    cluster = folder / "postgres" / "PG_VERSION"
    born = str(cluster.stat().st_mtime_ns) if cluster.exists() else ""
    names = sorted(str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("*/migrations/*.py"))
    return hashlib.sha256("\n".join([django.__version__, settings.DATABASE_URL, born, *names]).encode()).hexdigest()


def migrate(say: Callable[[str], None]) -> None:
    """Apply the migrations that are missing, and report it."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from host import former

    former.refuse(connection)
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        say("the database is up to date")
        return
    say(f"applying {len(missing)} migrations")
    call_command("migrate", interactive=False, verbosity=1, stdout=_LinesTo(say))


class _LinesTo(io.TextIOBase):
    """A text file that hands its lines to `say`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)


def make_first_admin(folder: Path) -> None:
    """Make the account `admin` if the site has no administrator, and leave its password for `first_password`."""
    from django.contrib.auth import get_user_model

    people = get_user_model().objects
    if people.filter(is_superuser=True).exists() or people.filter(username="admin").exists():
        return
    password = secrets.token_urlsafe(12)
    embedded.write_private(folder / NEW_PASSWORD, f"{password}\n")  # before the account: nobody could sign in to it
    people.create_superuser("admin", password=password)


def first_password(folder: Path, *, keep: bool) -> str | None:
    """Return the password of an administrator that nobody has been told of, once. `keep`: in the file `PASSWORD`."""
    new = folder / NEW_PASSWORD
    try:
        password = new.read_text().strip()
    except FileNotFoundError:
        return None
    if keep:
        new.rename(folder / PASSWORD)
    else:
        new.unlink()
    return password


def close_connections() -> None:
    """Close all connections to the database, so that it can stop at once."""
    from django.db import connections
    from django.db.backends.postgresql.base import DatabaseWrapper

    database = connections["default"]
    if isinstance(database, DatabaseWrapper):
        database.close_pool()
