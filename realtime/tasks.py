"""Celery's side: the dispatch task and the platform's periodic jobs.

Hop: `dispatch` takes a batch from the publisher through the broker and runs the dispatcher (realtime.dispatcher) on
the worker's own event loop, which lives as long as the worker: connections to Redis are made once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta
from functools import cache
from typing import Any

from celery import shared_task
from channels.layers import get_channel_layer
from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from realtime import metrics
from realtime.dispatcher import Dispatcher
from realtime.events import NodeId
from realtime.shared import shared_table
from realtime.subscriptions import TableUnavailable

logger = logging.getLogger(__name__)

DISPATCH_SECONDS = 5.0
LOG_KEEP = timedelta(hours=24)
LOG_KEEP_EVENTS = 10_000


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="dispatcher", daemon=True).start()
    return loop


@cache
def _dispatcher() -> Dispatcher:
    """Made on the dispatcher's loop: its connections belong there."""
    layer = get_channel_layer()

    async def send(node: NodeId, message: dict[str, Any]) -> None:
        await layer.send(node, message)

    return Dispatcher(shared_table(), send, time.monotonic)


async def _dispatch(wire: list[Any]) -> None:
    outcome = await _dispatcher().dispatch(wire)
    metrics.dispatch_batches.inc()
    metrics.dispatch_events.inc(outcome.events)
    metrics.dispatch_messages.inc(outcome.messages)


@shared_task(name="realtime.tasks.dispatch", acks_late=False)  # type: ignore[untyped-decorator]
def dispatch(wire: list[Any]) -> None:
    """Send a batch of events to the nodes that watch their topics. Lost with its worker; nodes repair that."""
    try:
        asyncio.run_coroutine_threadsafe(_dispatch(wire), _loop()).result(DISPATCH_SECONDS)
    except (TableUnavailable, RedisError, TimeoutError, OSError) as error:
        logger.warning("dispatcher: %d events left to the nodes' reconcile: %s", len(wire), error)


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
