"""The publisher: from the backend, after its commit, to the dispatcher.

Hop: `publish` is the backend's one publishing function. A thread of its own hands what came within
`COLLECT_SECONDS` to Celery as one task (one task for each event would cap at 1,300 events/s; batches of 100
carry 100,000), with short time-outs, so a dead broker costs a request nothing. When tasks wait for the dispatcher,
because many processes publish, each collects for longer. Promise: at most once; what is lost here the nodes find by
themselves.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.conf import settings

from realtime import metrics
from realtime.events import Event, coalesce, now_ms, to_wire
from realtime.registry import registry
from realtime.stamps import WIRE_VERSION

logger = logging.getLogger(__name__)

COLLECT_SECONDS = 0.005
COLLECT_MAX_SECONDS = 0.1
LOOK_SECONDS = 0.1  # seconds between two questions how many tasks wait
WAITING_MAX_TASKS = 8  # a dispatcher finishes this many in about 5 ms
QUEUE_MAX_EVENTS = 20_000
BATCH_MAX_EVENTS = 2_000
AWAY_SECONDS = 1.0
DISPATCH = "realtime.tasks.dispatch"
"""The name of the dispatcher's task, which is also that of its function."""


class Publisher:
    """Collects events and sends them as batches. Safe for threads; never blocks."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._published_ms = 0  # of the newest of them
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._collect_seconds = COLLECT_SECONDS
        self._looked_at = 0.0

    def publish(self, events: Sequence[Event]) -> None:
        """Hand over events; durable ones and counters when they are committed (realtime.log does so).

        When the broker has been away for long the oldest are dropped, and counted. Raises ValueError for what the kind
        of its topic does not name.
        """
        for event in events:
            registry.check(event)
        if not events:
            return
        metrics.published.inc(len(events))
        with self._wake:
            self._events.extend(events)
            self._published_ms = now_ms()
            if (excess := len(self._events) - QUEUE_MAX_EVENTS) > 0:
                del self._events[:excess]
                metrics.publish_drops.inc(excess)
            if self._thread is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._events:
                    self._wake.wait()
                batch, self._events = self._events[:BATCH_MAX_EVENTS], self._events[BATCH_MAX_EVENTS:]
                published_ms = self._published_ms
            self.send(batch, published_ms)
            time.sleep(self._collect_seconds)  # events that come meanwhile go into one batch

    def send(self, batch: Sequence[Event], published_ms: int) -> None:
        """Hand a batch to the broker as one task, with where and when it was published (realtime.stamps).

        The whole batch has one moment: that of its newest event. For the oldest event it is late by the time of
        collecting. Runs in the publisher's thread. Never raises.
        """
        wire: list[Any] = [to_wire(event) for event in coalesce(batch)]
        try:
            with current_app.producer_pool.acquire(block=True) as producer:
                # By name, and without the text of its arguments that Celery would make for logs that nobody writes.
                current_app.send_task(
                    DISPATCH,
                    [wire, {"region": settings.LIVE_REGION, "published": published_ms, "wire": WIRE_VERSION}],
                    producer=producer,
                    retry=False,
                    expires=60,
                    ignore_result=True,
                    argsrepr="",
                    kwargsrepr="",
                )
                if (now := time.monotonic()) >= self._looked_at + LOOK_SECONDS:
                    self._looked_at = now
                    self._collect_seconds = pace(self._collect_seconds, producer.channel.client.llen("dispatch"))
        except Exception as error:  # kombu, redis-py and the socket each raise their own: all mean "broker away"
            metrics.publish_drops.inc(len(batch))
            logger.warning("publisher: broker away, %d events left to the nodes' reconcile: %s", len(batch), error)
            time.sleep(AWAY_SECONDS)


def pace(collect_seconds: float, waiting_tasks: int) -> float:
    """Return how long to collect from now on: twice as long while tasks queue up, half as long when hardly one waits.

    The dispatcher's cost is mostly per task. So a site with any number of nodes finds a pace that it can keep.
    """
    if waiting_tasks > WAITING_MAX_TASKS:
        return min(collect_seconds * 2, COLLECT_MAX_SECONDS)
    if waiting_tasks <= 1:
        return max(collect_seconds / 2, COLLECT_SECONDS)
    return collect_seconds


publisher = Publisher()
