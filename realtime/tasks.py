"""Celery's side: the dispatch task and the platform's periodic jobs.

Hop: `dispatch` takes a batch from the publisher through the broker and runs the dispatcher (realtime.dispatcher) on
an event loop of the worker's own thread: nothing is handed over on the way.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from celery import shared_task
from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from realtime import metrics
from realtime.dispatcher import Dispatched, Dispatcher
from realtime.events import NodeId
from realtime.scripts import TableUnavailable
from realtime.shared import shared_redis, shared_table

logger = logging.getLogger(__name__)

DISPATCH_SECONDS = 5.0
LOG_KEEP = timedelta(hours=24)
LOG_KEEP_EVENTS = 10_000


class _Worker(threading.local):
    """A worker thread's loop and dispatcher. Both stay: connections to Redis are made once."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.dispatcher = self.loop.run_until_complete(self._make())

    @staticmethod
    async def _make() -> Dispatcher:
        redis = shared_redis()

        async def send(messages: Mapping[NodeId, bytes]) -> None:
            # What RedisPubSubChannelLayer.send does, for all nodes in one round trip.
            pipe = redis.pipeline(transaction=False)
            for node, message in messages.items():
                pipe.publish(node, message)
            await pipe.execute()

        return Dispatcher(shared_table(), send, time.monotonic)

    def dispatch(self, wire: list[Any]) -> Dispatched:
        async def in_time() -> Dispatched:
            async with asyncio.timeout(DISPATCH_SECONDS):
                return await self.dispatcher.dispatch(wire)

        return self.loop.run_until_complete(in_time())


_worker = cache(_Worker)


@shared_task(name="realtime.tasks.dispatch", acks_late=False)  # type: ignore[untyped-decorator]
def dispatch(wire: list[Any]) -> None:
    """Send a batch of events to the nodes that watch their topics. Lost with its worker; nodes repair that."""
    try:
        outcome = _worker().dispatch(wire)
    except (TableUnavailable, RedisError, TimeoutError, OSError) as error:
        logger.warning("dispatcher: %d events left to the nodes' reconcile: %s", len(wire), error)
        return
    metrics.dispatch_batches.inc()
    metrics.dispatch_events.inc(outcome.events)
    metrics.dispatch_messages.inc(outcome.messages)
    metrics.dispatch_bad.inc(outcome.bad)


@shared_task(name="realtime.tasks.retention")  # type: ignore[untyped-decorator]
def retention() -> int:
    """Delete log events older than 24 h that are not among the newest 10,000 of their topic; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM realtime_loggedevent e USING realtime_topic t"
            " WHERE e.topic_id = t.name AND e.at < %s AND e.seq <= t.seq - %s",
            [timezone.now() - LOG_KEEP, LOG_KEEP_EVENTS],
        )
        deleted: int = cursor.rowcount
    if deleted:
        logger.info("retention: deleted %d log events", deleted)
    return deleted
