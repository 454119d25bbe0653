"""Which topics have changed since a look, so that a node reads the heads of these alone (realtime.node.repair).

Hop: beside the path. A trigger writes into a topic's row which transaction has changed its head. Another trigger
writes down deleted topics (`GoneTopic`). Both also see the admin and SQL by hand. Transactions commit in another order
than that of their numbers. So a look names what was written by those that the look before did not see.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.functions import Now

from realtime.events import TopicName
from realtime.log.deletion import delete_in_parts
from realtime.log.epoch import epoch
from realtime.log.store import Changes, Mark
from realtime.models import GoneTopic

KEPT_FOR = timedelta(hours=1)
GAP_MAX = timedelta(minutes=10)
"""After a longer time without a look, any topic may have changed. Far below `KEPT_FOR`, after which rows of deleted
topics go.
"""

# A standby does not say which transactions are under way: all above the lowest of them may be.
NOW = """CASE WHEN pg_is_in_recovery() THEN format('%%1$s:%%1$s:', pg_snapshot_xmin(pg_current_snapshot()))
  ELSE pg_current_snapshot()::text END, now()::text"""
# A restored row may have a number that this cluster has not reached: it says nothing. The last row has the next mark,
# and whether this one is of no use: too old, or of a future that this history does not have.
_SINCE = f"""
SELECT name, NULL, NULL, false FROM realtime_topic
WHERE changed >= pg_snapshot_xmin(%(snapshot)s)::text::bigint
  AND changed < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
  AND NOT pg_visible_in_snapshot(changed::text::xid8, %(snapshot)s)
UNION ALL SELECT topic, NULL, NULL, false FROM realtime_gonetopic
WHERE transaction >= pg_snapshot_xmin(%(snapshot)s)::text::bigint
  AND NOT pg_visible_in_snapshot(transaction::text::xid8, %(snapshot)s)
UNION ALL SELECT NULL, {NOW},
  pg_snapshot_xmax(%(snapshot)s) > pg_snapshot_xmax(pg_current_snapshot())
  OR now() NOT BETWEEN %(at)s::timestamptz - make_interval(secs => %(gap)s)
    AND %(at)s::timestamptz + make_interval(secs => %(gap)s)
"""


def changes(database: str, since: Mark) -> Changes:
    """Return which topics have changed in a database since a look at the same one. One query.

    The primary also answers for a mark of its replica. Nobody has looked whether the epoch is still that of the mark.
    """
    with connections[database].cursor() as cursor:
        if not since.snapshot:
            cursor.execute(f"SELECT {NOW}", {})
            return Changes(Mark(since.epoch, *cursor.fetchone()), is_all=True)
        cursor.execute(_SINCE, {"snapshot": since.snapshot, "at": since.at, "gap": GAP_MAX.total_seconds()})
        *rows, (_, snapshot, at, is_gap) = cursor.fetchall()
    topics = frozenset(TopicName(name) for name, *_ in rows)
    return Changes(Mark(since.epoch, snapshot, at), topics, is_all=is_gap)


def confirmed_changes(since: Mark) -> Changes:
    """Return which topics have changed in the primary since a look: any, if its history is another one."""
    now = epoch()
    return changes(DEFAULT_DB_ALIAS, since if since.epoch == now else Mark(now))


def forget() -> int:
    """Delete deleted topics that no node needs to hear of any more. Return how many."""
    return delete_in_parts(GoneTopic.objects.filter(at__lt=Now() - KEPT_FOR))
