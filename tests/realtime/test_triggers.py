"""A trigger that a migration makes on a table while others write to it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from realtime.triggers import AddTriggerMeanwhile

NAME = "made_meanwhile"
MAKE = AddTriggerMeanwhile(NAME, "videos_video", "DELETE ON {table} FOR EACH ROW", "accounts_recheck('owner_id')")
WRITE = "UPDATE videos_video SET title = title"
WAITS = "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE OR REPLACE TRIGGER%%' AND wait_event_type = 'Lock'"

pytestmark = pytest.mark.django_db(transaction=True)


def _migrate(step: Callable[..., None]) -> None:
    state = ProjectState.from_apps(apps)
    with contextlib.closing(connection), connection.schema_editor(atomic=False) as editor:
        step("videos", editor, state, state)


def _found(query: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone() is not None


def test_writers_wait_for_it_only_a_moment() -> None:
    """PostgreSQL lets nobody write behind a statement that waits for the table: a long transaction stopped all."""
    long = connection.copy()
    migration = threading.Thread(target=_migrate, args=[MAKE.database_forwards])
    with contextlib.closing(long), long.cursor() as cursor:
        cursor.execute(f"BEGIN; {WRITE}")
        migration.start()
        while not _found(WAITS):
            assert migration.is_alive()
        _found(f"{WRITE} RETURNING 1")
        assert migration.is_alive()
        cursor.execute("ROLLBACK")
    migration.join()
    assert _found(f"SELECT FROM pg_trigger WHERE tgname = '{NAME}'")
    _migrate(MAKE.database_backwards)
    assert not _found(f"SELECT FROM pg_trigger WHERE tgname = '{NAME}'")
