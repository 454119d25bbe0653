"""Celery's side: the dispatch task and the platform's periodic jobs.

Hop: `dispatch` takes a batch from the publisher through the broker and runs the dispatcher
(realtime.dispatch.dispatcher) on an event loop of the worker's own thread: nothing is handed over on the way.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import cache
from typing import Any

from celery import shared_task
from redis.exceptions import RedisError

from realtime import metrics
from realtime.dispatch.dispatcher import Dispatched, Dispatcher
from realtime.log.changes import forget
from realtime.log.retention import retire
from realtime.relay.shared import outbox
from realtime.table.redis import send_to_nodes, shared_table
from realtime.table.scripts import TableUnavailable

logger = logging.getLogger(__name__)

DISPATCH_SECONDS = 5.0


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
    """Send a batch of events to the nodes that watch their topics, with the times of its hops (realtime.stamps).

    If the worker dies, the batch is lost. Nodes repair that.
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


@shared_task(name="realtime.tasks.retention")  # type: ignore[untyped-decorator]
def retention() -> int:
    """Delete log events older than 24 h, and what says that topics were deleted; return how many."""
    deleted = retire() + forget()
    if deleted:
        logger.info("retention: deleted %d rows of the log", deleted)
    return deleted
