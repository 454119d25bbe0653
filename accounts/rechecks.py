"""What has changed about viewers and sessions, so that nodes check open streams again (realtime.node.rights).

Triggers write a `Recheck` in the transaction that changes what a stream depends on (accounts.identities.review),
whoever does it: this code, the admin, SQL by hand. An app that adds groups of viewers (accounts.permissions.grouping)
adds a trigger for them.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now

from accounts.models import Recheck
from realtime.kinds import Rechecks
from realtime.log.deletion import delete_in_parts
from realtime.log.epoch import epoch

KEPT_FOR = timedelta(hours=1)
GAP_MAX = timedelta(minutes=10)
"""After a longer time without a look, anybody may have changed. Far below `KEPT_FOR`, after which rows are deleted."""

_NOW = "SELECT pg_current_snapshot()::text, now()::text"
# What transactions have changed that this snapshot sees, and the last one did not. In the last row: whether the last
# one is of use. A session ends by its time without a change of any row.
_SINCE = """
SELECT viewer, session, NULL, NULL, false FROM accounts_recheck
WHERE transaction >= pg_snapshot_xmin(%(snapshot)s)::text::bigint
  AND NOT pg_visible_in_snapshot(transaction::text::xid8, %(snapshot)s)
UNION ALL SELECT '', session_key, NULL, NULL, false FROM django_session
WHERE expire_date > %(at)s::timestamptz AND expire_date <= now()
UNION ALL SELECT NULL, NULL, pg_current_snapshot()::text, now()::text, NOT (
  now() BETWEEN %(at)s::timestamptz AND %(at)s::timestamptz + make_interval(secs => %(gap)s)
  AND pg_snapshot_xmax(%(snapshot)s) <= pg_snapshot_xmax(pg_current_snapshot()))
"""


def rechecks(since: str) -> Rechecks:
    """Return whose identities may have changed since a look. One query, besides that of the epoch.

    Transactions have other numbers in another history, as after a restore: then anybody's may have.
    """
    now = epoch()
    known, _, rest = since.partition(" ")
    with connection.cursor() as cursor:
        if known != now:
            cursor.execute(_NOW)
            snapshot, at = cursor.fetchone()
            return Rechecks(f"{now} {snapshot} {at}", is_all=True)
        snapshot, _, at = rest.partition(" ")
        cursor.execute(_SINCE, {"snapshot": snapshot, "at": at, "gap": GAP_MAX.total_seconds()})
        *rows, (_, _, snapshot, at, is_gap) = cursor.fetchall()
    changed = {(viewer, session) for viewer, session, *_ in rows}
    return Rechecks(
        f"{now} {snapshot} {at}",
        frozenset(viewer for viewer, _ in changed if viewer),
        frozenset(session for _, session in changed if session),
        is_all=is_gap or ("", "") in changed,
    )


def forget() -> int:
    """Delete what no node needs any more. Returns how many rows."""
    return delete_in_parts(Recheck.objects.filter(at__lt=Now() - KEPT_FOR))
