"""Celery's side: the dispatch task and the platform's periodic jobs.

Hop: `dispatch` takes a batch from the publisher through the broker and runs the dispatcher
(realtime.dispatch.dispatcher) on an event loop of the worker's own thread: nothing is handed over on the way.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from celery import shared_task
from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from realtime import metrics
from realtime.dispatch.dispatcher import Dispatched, Dispatcher
from realtime.registry import registry
from realtime.relay.shared import outbox
from realtime.table.redis import send_to_nodes, shared_table
from realtime.table.scripts import TableUnavailable

logger = logging.getLogger(__name__)

DISPATCH_SECONDS = 5.0
LOG_KEEP = timedelta(hours=24)
LOG_KEEP_EVENTS = 10_000
LOG_KEEP_INBOX_EVENTS = 100  # there is one for each viewer, and only a gap of some seconds is read from it
RETIRE_ROWS = 20_000  # of one statement, far from the statement timeout


class _Worker(threading.local):
    """A worker thread's loop and dispatcher. Both stay: connections to Redis are made once."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.dispatcher = self.loop.run_until_complete(self._make())

    @staticmethod
    async def _make() -> Dispatcher:
        return Dispatcher(shared_table(), send_to_nodes, time.monotonic, outbox())

    def dispatch(self, wire: list[Any], stamps: object) -> Dispatched:
        async def in_time() -> Dispatched:
            async with asyncio.timeout(DISPATCH_SECONDS):
                return await self.dispatcher.dispatch(wire, stamps)

        return self.loop.run_until_complete(in_time())


_worker = cache(_Worker)


@shared_task(name="realtime.tasks.dispatch", acks_late=False)  # type: ignore[untyped-decorator]
def dispatch(wire: list[Any], stamps: object = None) -> None:
    """Send a batch of events to the nodes that watch their topics, with when it passed the hops (realtime.stamps).

    Lost with its worker; nodes repair that.
    """
    try:
        outcome = _worker().dispatch(wire, stamps)
    except (TableUnavailable, RedisError, TimeoutError, OSError) as error:
        logger.warning("dispatcher: %d events left to the nodes' reconcile: %s", len(wire), error)
        return
    metrics.dispatch_batches.inc()
    metrics.dispatch_events.inc(outcome.events)
    metrics.dispatch_messages.inc(outcome.messages)
    metrics.dispatch_bad.inc(outcome.bad)


# One slice of the log, oldest first; of it goes what is not among the newest events of its topic. Returns how much
# that is, and the slice's last place: all events of a transaction have one `at`.
_RETIRE = """
WITH slice AS (
  SELECT at, topic_id, seq FROM realtime_loggedevent
  WHERE at < %s AND at >= %s AND (at, topic_id, seq) > (%s, %s, %s) ORDER BY at, topic_id, seq LIMIT %s
), gone AS (
  DELETE FROM realtime_loggedevent e USING slice s JOIN realtime_topic t ON t.name = s.topic_id
  WHERE e.topic_id = s.topic_id AND e.seq = s.seq
  AND s.seq <= t.seq - CASE WHEN t.name LIKE ANY(%s) THEN %s ELSE %s END RETURNING 1
)
SELECT (SELECT count(*) FROM gone), at, topic_id, seq FROM slice ORDER BY at DESC, topic_id DESC, seq DESC LIMIT 1
"""


@shared_task(name="realtime.tasks.retention")  # type: ignore[untyped-decorator]
def retention() -> int:
    """Delete log events older than 24 h that are not among the newest 10,000 of their topic, 100 of an inbox; return
    how many. In slices: a day's log is more than one statement may take.
    """
    inboxes = [f"{kind.prefix}:%" for kind in registry.kinds.values() if kind.is_inbox]
    before = timezone.now() - LOG_KEEP
    place: tuple[Any, ...] | None = (datetime.min.replace(tzinfo=UTC), "", 0)
    deleted = 0
    with connection.cursor() as cursor:
        while place is not None:
            given = [before, place[0], *place, RETIRE_ROWS, inboxes, LOG_KEEP_INBOX_EVENTS, LOG_KEEP_EVENTS]
            cursor.execute(_RETIRE, given)
            found = cursor.fetchone()
            place = found and found[1:]
            deleted += found[0] if found else 0
    if deleted:
        logger.info("retention: deleted %d log events", deleted)
    return deleted
