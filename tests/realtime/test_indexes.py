"""An index of a large table, made by a migration that was interrupted before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from realtime.indexes import AddIndexMeanwhile

NAME = "made_meanwhile"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _no_index() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


def _made() -> tuple[int, bool]:
    """Return which index there is, and whether it is whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::int, indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [NAME])
        [(which, is_valid)] = cursor.fetchall()
    return which, is_valid


def _migrate() -> None:
    operation = AddIndexMeanwhile("video", models.Index(fields=["title"], name=NAME))
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("videos", after)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("videos", editor, before, after)


@pytest.mark.usefixtures("_no_index")
def test_half_an_index_is_made_anew_and_a_whole_one_stays() -> None:
    """`migrate` said that it exists already, and somebody had to drop it by hand."""
    _migrate()
    whole, is_valid = _made()
    assert is_valid
    _migrate()
    assert _made() == (whole, True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [NAME])
    _migrate()
    made, is_valid = _made()
    assert is_valid and made != whole


def test_no_index_is_the_beginning_of_another() -> None:
    """Each one is written with each row. Of a like it was one of three, of an event of the log two of four."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.indexrelid::regclass::text, b.indexrelid::regclass::text FROM pg_index a JOIN pg_index b"
            " ON a.indrelid = b.indrelid AND a.indexrelid <> b.indexrelid"
            " AND b.indkey::text || ' ' LIKE a.indkey::text || ' %%'"
            " JOIN pg_class c ON c.oid = a.indrelid"
            " JOIN pg_class i ON i.oid = a.indexrelid JOIN pg_am m ON m.oid = i.relam"
            " WHERE a.indpred IS NULL AND b.indpred IS NULL AND a.indexprs IS NULL AND b.indexprs IS NULL"
            " AND m.amname = 'btree' AND (NOT a.indisunique OR a.indkey::text = b.indkey::text AND NOT a.indisprimary)"
            " AND c.relname ~ %s ORDER BY 1",
            [
                "^(videos|realtime|messaging|notices)_|^(accounts_viewer|accounts_signedin|django_session|following_follow)$"
            ],
        )
        assert cursor.fetchall() == []
