"""Triggers on tables that are in use. Called by migrations, which say `atomic = False`."""

from __future__ import annotations

import time

from django.db import OperationalError
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

WAIT = "500ms"
AGAIN_SECONDS = 0.5


class AddTriggerMeanwhile(Operation):
    """Makes a trigger while others write. `when`: what calls for the trigger, before or after (`moment`). `does`: what
    it does.

    It waits for transactions that have written to the table, and those that come after wait for it: half a second at
    most, then it lets them through and tries again.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, name: str, table: str, when: str, does: str, *, moment: str = "AFTER") -> None:
        self.name, self.table, self.when, self.does, self.moment = name, table, when, does, moment

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not know it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._run(
            schema_editor,
            f"CREATE OR REPLACE TRIGGER {self.name} {self.moment} {self.when.format(table=self.table)}"
            f" EXECUTE FUNCTION {self.does}",
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._run(schema_editor, f"DROP TRIGGER IF EXISTS {self.name} ON {self.table}")

    def describe(self) -> str:
        return f"Make the trigger {self.name} of {self.table}"

    @staticmethod
    def _run(schema_editor: BaseDatabaseSchemaEditor, statement: str) -> None:
        connection = schema_editor.connection
        if connection.in_atomic_block:  # as that of a restore
            schema_editor.execute(statement, None)
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            [before] = cursor.fetchone()
            cursor.execute(f"SET lock_timeout = '{WAIT}'")
        try:
            while True:
                try:
                    schema_editor.execute(statement, None)
                except OperationalError as error:
                    if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
                        raise
                    time.sleep(AGAIN_SECONDS)
                else:
                    return
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])
