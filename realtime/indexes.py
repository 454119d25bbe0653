"""Indexes for tables that are large already. Called by migrations, which say `atomic = False`."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class AddIndexMeanwhile(AddIndexConcurrently):
    """Makes an index while others write. In a transaction, as that of a restore, nobody does: it is made as usual.

    PostgreSQL keeps the index of an interrupted migration. A finished one is taken as it is, half of one is made anew.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.in_atomic_block:
            AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)
        elif not _is_made(schema_editor, self.index.name):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class MakeIndexMeanwhile(Operation):
    """The same for an index that no model can describe. `on`: what follows ON in SQL."""

    def __init__(self, name: str, on: str) -> None:
        self.name, self.on = name, on

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not know it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not _is_made(schema_editor, self.name):
            schema_editor.execute(f"CREATE INDEX {_meanwhile(schema_editor)} {self.name} ON {self.on}", None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        schema_editor.execute(f"DROP INDEX {_meanwhile(schema_editor)} IF EXISTS {self.name}", None)

    def describe(self) -> str:
        return f"Make the index {self.name}"


class DropIndexesMeanwhile(Operation):
    """Drops indexes that Django makes for one column, where another one does the same.

    `columns`: pairs of a table and a column. The unique index of a column stays, and so do those of some rows.
    """

    def __init__(self, *columns: tuple[str, str]) -> None:
        self.columns = columns

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Where the models say so, another operation does."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for table, column in self.columns:
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(_OF_COLUMN, [table, column])
                names = [name for (name,) in cursor.fetchall()]
            for name in names:
                schema_editor.execute(f"DROP INDEX {_meanwhile(schema_editor)} {name}", None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """The release before works without them."""

    def describe(self) -> str:
        return f"Drop indexes of {', '.join(f'{table}.{column}' for table, column in self.columns)}"


_OF_COLUMN = """
SELECT i.indexrelid::regclass::text FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %s::regclass AND a.attname = %s AND i.indnatts = 1
AND NOT i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
"""


def _meanwhile(schema_editor: BaseDatabaseSchemaEditor) -> str:
    return "" if schema_editor.connection.in_atomic_block else "CONCURRENTLY"


def _is_made(schema_editor: BaseDatabaseSchemaEditor, name: str) -> bool:
    """Return whether there is a finished index of that name. Half of one is dropped."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        found = cursor.fetchone()
    if found is not None and not found[0]:
        quoted = schema_editor.connection.ops.quote_name(name)
        schema_editor.execute(f"DROP INDEX {_meanwhile(schema_editor)} {quoted}", None)
    return found is not None and bool(found[0])
