"""Databases from before the first release, with other tables: recognizes one, and brings its content over.

Each app has one migration that makes its tables of today. It stands for those of before, whose files are gone. A
database that has all of them needs nothing. One that has only some of them is a former one, and so is one in which
viewers were a table of `videos`.

Called by `migrate`, by the start of the site, and by `manage.py restore`. The tables of today are made beside the
former ones and filled from them. So no former name stays, not even the name of an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management.color import no_style
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from realtime.log import things

RENAMED = {
    "videos_viewer": "accounts_viewer",
    "videos_viewer_groups": "accounts_viewer_groups",
    "videos_viewer_user_permissions": "accounts_viewer_user_permissions",
}
MIGRATIONS = {
    "videos": ("0001_initial", "0002_presence", "0003_superusers", "0004_hidden_by_default", "0005_deletedvideo"),
    "messaging": ("0001_initial",),
}
"""What a database in which viewers were a table of `videos` says about itself."""
LEFT = {"django_migrations"}
SCHEMA = "former"
ADVICE = (
    "the database was made before the first release, with other tables: bring it over with `manage.py backup FILE`,"
    " then `manage.py restore --replace FILE` (docs/operations.md#a-site-of-before-the-first-release)"
)

_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = %s AND is_generated = 'NEVER' ORDER BY 1, ordinal_position
"""
# Pins that were only columns of comments.
_PINS = """
INSERT INTO videos_pin (video_id, comment_id, pinned_at)
SELECT video_id, id, pinned_at FROM videos_comment c
WHERE pinned_at IS NOT NULL AND NOT EXISTS (SELECT FROM videos_pin WHERE comment_id = c.id AND unpinned_at IS NULL)
"""


def is_former(database: BaseDatabaseWrapper) -> bool:
    with database.cursor() as cursor:
        cursor.execute("SELECT to_regclass('videos_viewer') IS NOT NULL")
        return bool(cursor.fetchone()[0]) or _has_only_some(database)


def _has_only_some(database: BaseDatabaseWrapper) -> bool:
    """Return whether of the migrations that one of today stands for some are applied and some are not."""
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    applied = MigrationRecorder(database).applied_migrations().keys()
    groups = (set(migration.replaces) for migration in loader.disk_migrations.values())
    return any(group & applied and group - applied for group in groups)


def refuse(database: BaseDatabaseWrapper) -> None:
    """Raise ImproperlyConfigured, with what to do, when the database is a former one."""
    if is_former(database):
        raise ImproperlyConfigured(ADVICE)


def bring_over(database: BaseDatabaseWrapper, *, migrate: Callable[[], object]) -> None:
    """Make a former database one of today, with all of its content: in one transaction. `migrate` makes the tables."""
    with transaction.atomic(using=database.alias), database.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        for table in database.introspection.table_names(cursor):
            cursor.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(*map(sql.Identifier, (table, SCHEMA))))
        migrate()
        # A request's own limits would end a long copy half way.
        cursor.execute("SET LOCAL statement_timeout = 0")
        # Checks what `migrate` has written, which could not be deleted otherwise.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # so the tables may be filled in any order
        known, present = _columns(database, SCHEMA), _columns(database, "public")
        pairs = {former: RENAMED.get(former, former) for former in known if former not in LEFT}
        pairs = {former: now for former, now in pairs.items() if now in present}
        cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(_names(pairs.values())))
        for former, now in pairs.items():
            columns = _names(column for column in known[former] if column in present[now])
            source = sql.Identifier(SCHEMA, former)
            cursor.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(sql.Identifier(now), columns, columns, source)
            )
        cursor.execute(
            "UPDATE django_content_type SET app_label = 'accounts' WHERE app_label = 'videos' AND model = 'viewer'"
        )
        cursor.execute(_PINS)
        things.fill()
        for statement in database.ops.sequence_reset_sql(no_style(), apps.get_models(include_auto_created=True)):
            cursor.execute(statement)
        cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(SCHEMA)))


def _columns(database: BaseDatabaseWrapper, schema: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with database.cursor() as cursor:
        cursor.execute(_COLUMNS, [schema])
        for table, column in cursor.fetchall():
            found.setdefault(table, []).append(column)
    return found


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
