"""Django's `migrate`, fit for a site that several machines start: one at a time, and as long as it takes."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.utils import CursorWrapper

from host import former

AGAIN_SECONDS = 0.2
# Any number that no other program uses; the same in every release.
LOCK = 7_205_759_403


def _take_lock(cursor: CursorWrapper) -> None:
    """Wait until no other machine migrates. By questions: who makes an index meanwhile waits for all statements."""
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            return
        time.sleep(AGAIN_SECONDS)


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        former.refuse(connection)
        with connection.cursor() as cursor:
            # The limits for requests would end a long migration half way.
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET lock_timeout = 0")
            _take_lock(cursor)
        try:
            super().handle(*args, **options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
                cursor.execute("RESET statement_timeout")
                cursor.execute("RESET lock_timeout")
