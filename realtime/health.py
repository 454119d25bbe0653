"""Answers operators: is a node alive, is it ready, what are its metrics.

A site has them at `/healthz`, `/readyz` and `/metrics` (realtime.urls).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from realtime import telemetry
from realtime.answers import RETRY_SECONDS
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from realtime.node.process import process
from realtime.scraping import REFUSAL, may_scrape
from realtime.table.redis import shared_table
from realtime.table.scripts import TableUnavailable

logger = logging.getLogger(__name__)

HealthView = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]

CHECK_SECONDS = 1.0
ROOM_ROWS = 10_000  # sorted on disk: some 200 kB


@require_safe
async def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
async def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this node should get viewers: PostgreSQL takes writes, migrations are applied, no drain is under way.

    The answer names a missing Redis, but the node stays ready: viewers get everything, 2 s late.
    """
    node = process.node()
    checks = {"database": "ok", "redis": "ok", "node": "draining" if node.is_draining else "ok"}
    checks["database"] = await database_check.state()
    try:
        await shared_table().ping()
    except TableUnavailable:
        checks["redis"] = "away"
    is_ready = checks["database"] == checks["node"] == "ok"
    response = JsonResponse({"ready": is_ready, "id": node.id, **checks}, status=200 if is_ready else 503)
    if not is_ready:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


class DatabaseCheck:
    """Whether the database can do its work: it answers, takes a write, and has room.

    It asks the database once at a time, and keeps the answer for `good_seconds`. More questions cost the database
    nothing.
    """

    def __init__(self, *, good_seconds: float = CHECK_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._good_seconds = good_seconds
        self._clock = clock
        self._until = 0.0
        self._state = "away"
        self._is_migrated = False
        self._look: asyncio.Task[None] | None = None

    async def state(self) -> str:
        """Return "ok", "away", "read-only", "full" or "migrations are missing"."""
        if self._clock() >= self._until:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(self._look_again(), name="database-check")
            await asyncio.shield(self._look)
        return self._state

    async def _look_again(self) -> None:
        try:
            self._state = await backend_threads.run(self._check)
        except StoreUnavailable as error:
            self._state = error.reason
        self._until = self._clock() + self._good_seconds

    def _check(self) -> str:
        if not self._is_migrated:
            if _migrations_are_missing():
                return "migrations are missing"
            self._is_migrated = True
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() == ("on",):
                return "read-only"
            # A record in the write-ahead log, flushed at the commit, and a temporary file. They need what every
            # write needs, and leave nothing in any table.
            cursor.execute("SELECT pg_logical_emit_message(true, 'realtime', 'readyz')")
            cursor.execute("SET LOCAL work_mem = '64kB'")
            cursor.execute(
                "SELECT count(*) FROM (SELECT n FROM generate_series(1, %s) AS n ORDER BY -n) AS s", [ROOM_ROWS]
            )
        return "ok"


def _migrations_are_missing() -> bool:
    """Return whether the database lacks a migration, or one of those that it stands for.

    Django's own plan leaves out an app of whose former migrations only some are applied, if their files are gone.
    """
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    applied = MigrationRecorder(connection).applied_migrations().keys()
    return any(
        key not in applied and not (migration.replaces and applied >= {*migration.replaces})
        for key, migration in loader.disk_migrations.items()
    )


database_check = DatabaseCheck()


def _for_scrapers(view: HealthView) -> HealthView:
    """Let the view answer only those who may read metrics; others get 403."""

    @wraps(view)
    async def answer(request: HttpRequest) -> HttpResponse:
        headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        address = request.META.get("REMOTE_ADDR", "")
        if not may_scrape(address, headers, token=settings.LIVE_METRICS_TOKEN):
            return HttpResponse(REFUSAL, status=403, content_type="text/plain", headers={"Cache-Control": "no-store"})
        return await view(request)

    return answer


@require_safe
@_for_scrapers
async def metrics(request: HttpRequest) -> HttpResponse:
    """This process's counters, in Prometheus' text form."""
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@require_safe
@_for_scrapers
async def region_metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes of the region, each with its label `process`, and whether the servers are up.

    Without Redis only the latter.
    """
    reports: list[telemetry.ProcessReport] = []
    queues = None
    with contextlib.suppress(telemetry.TelemetryAway):
        reports, queues = await asyncio.gather(telemetry.read(), telemetry.queue_lengths())
    site = telemetry.of_site(database_is_up=await database_check.state() == "ok", queues=queues)
    return HttpResponse(await asyncio.to_thread(telemetry.to_metrics, reports, site), content_type=CONTENT_TYPE_LATEST)


urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("metrics/region", region_metrics),
]
