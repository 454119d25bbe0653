"""The publisher: from the backend, after its commit, to the dispatcher.

Hop: `publish` is the backend's one publishing function. A thread of its own hands what came within
`COLLECT_SECONDS` to Celery as one task (one task per like would cap at 1,300 likes/s; batches of 100 carry
100,000), with short time-outs: a dead broker costs a request nothing. Promise: at most once; what is lost here the
nodes find by themselves.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from realtime import metrics
from realtime.events import Event, coalesce, to_wire

logger = logging.getLogger(__name__)

COLLECT_SECONDS = 0.005
QUEUE_MAX_EVENTS = 20_000
BATCH_MAX_EVENTS = 2_000
AWAY_SECONDS = 1.0


class Publisher:
    """Collects events and sends them as batches. Safe for threads; never blocks, never raises."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def publish(self, events: Sequence[Event]) -> None:
        """Hand over committed events. When the broker has been away for long the oldest are dropped, and counted."""
        if not events:
            return
        metrics.published.inc(len(events))
        with self._wake:
            self._events.extend(events)
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
            self._send(batch)
            time.sleep(COLLECT_SECONDS)  # what comes meanwhile goes into one batch

    def _send(self, batch: Sequence[Event]) -> None:
        # Imported late: Celery's app reads the settings, which may not be ready when this module is imported.
        from realtime.tasks import dispatch

        wire: list[Any] = [to_wire(event) for event in coalesce(batch)]
        try:
            dispatch.apply_async(args=[wire], retry=False, expires=60, ignore_result=True)
        except Exception as error:  # kombu, redis-py and the socket each raise their own: all mean "broker away"
            metrics.publish_drops.inc(len(batch))
            logger.warning("publisher: broker away, %d events left to the nodes' reconcile: %s", len(batch), error)
            time.sleep(AWAY_SECONDS)


publisher = Publisher()
