"""The epoch: the name of the database's history, part of every position (realtime.events.Position).

Hop: beside the path; read with what has a `seq` (realtime.log.database). After a restored backup a `seq` alone says
nothing: the same number is another event. So the epoch changes when the database is made or restored, and when a
replica is promoted. PostgreSQL knows most of that by itself: the name of its cluster, the timeline that each promotion
and each recovery from an archive begins, the identity of the database, and the file in which the
topics are. PostgreSQL cannot know that an older data folder was put back as it was. Then a person runs `manage.py
drawepoch`.
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from collections.abc import Callable

from django.db import NotSupportedError, ProgrammingError, connection, transaction

from realtime.events import Epoch
from realtime.models import DrawnEpoch

KEPT_SECONDS = 1.0

OF_DATABASE = (
    "(SELECT oid FROM pg_database WHERE datname = current_database()), pg_relation_filenode('realtime_topic'),"
    " (SELECT drawn FROM realtime_drawnepoch)"
)
# A server in recovery writes no WAL of its own: it has the timeline that it follows.
OF_CLUSTER = (
    "(SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery()"
    " THEN (SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint())"
    " ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END"
)


def read_epoch() -> Epoch:
    """Return the epoch of the primary."""
    with connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(f"SELECT {OF_DATABASE}, {OF_CLUSTER}")
        except (ProgrammingError, NotSupportedError):
            # Some database hosts refuse questions about the cluster. Then an operator must run drawepoch after a
            # promotion.
            cursor.execute(f"SELECT {OF_DATABASE}")
        known = " ".join(map(str, cursor.fetchone()))
    return Epoch(base64.urlsafe_b64encode(hashlib.blake2b(known.encode(), digest_size=6).digest()).decode())


def draw_epoch() -> Epoch:
    """Begin a new epoch: every viewer starts again from a fresh snapshot. Call it after a restore."""
    DrawnEpoch.objects.update_or_create(id=1, defaults={"drawn": uuid.uuid4().hex})
    return read_epoch()


class KeptEpoch:
    """The epoch, read at most once in `KEPT_SECONDS`.

    Ask for the epoch before you read what it belongs to. An epoch that is too old costs a `reset`. One that is too new
    would accept a position of another history.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: tuple[float, Epoch] | None = None

    def __call__(self) -> Epoch:
        began = self._clock()
        kept = self._kept
        if kept is None or began - kept[0] >= KEPT_SECONDS:
            kept = self._kept = (began, read_epoch())
        return kept[1]

    def forget(self) -> None:
        """Read it again the next time. Call this when you see that the history has changed."""
        self._kept = None


epoch = KeptEpoch()
