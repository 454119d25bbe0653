"""What operators ask a node: does it live, is it ready, what has it counted. And the errors that no view answers."""

from __future__ import annotations

import asyncio
import logging

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from realtime import figures
from realtime.process import process
from realtime.scripts import TableUnavailable
from realtime.shared import shared_table
from realtime.store import StoreUnavailable
from realtime.threads import backend_threads

logger = logging.getLogger(__name__)
_migrated = False


@require_safe
async def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
async def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this node should get viewers: PostgreSQL answers, migrations are applied, no drain is under way.

    Redis away is told and is no reason: viewers get everything, 2 s late.
    """
    node = process.node()
    checks = {"database": "ok", "redis": "ok", "node": "draining" if node.is_draining else "ok"}
    try:
        checks["database"] = await backend_threads.run(_check_database)
    except StoreUnavailable:
        checks["database"] = "away"
    try:
        await shared_table().ping()
    except TableUnavailable:
        checks["redis"] = "away"
    is_ready = checks["database"] == checks["node"] == "ok"
    return JsonResponse({"ready": is_ready, "id": node.id, **checks}, status=200 if is_ready else 503)


def _check_database() -> str:
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations are missing"
        _migrated = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """This process's counters, in Prometheus' text form."""
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@require_safe
async def region_metrics(request: HttpRequest) -> HttpResponse:
    """What all processes of the region have counted, each with its label `process`. 503 without Redis."""
    try:
        told = await figures.read()
    except figures.FiguresAway:
        return HttpResponse("Redis is away.\n", content_type="text/plain", status=503)
    return HttpResponse(await asyncio.to_thread(figures.to_metrics, told), content_type=CONTENT_TYPE_LATEST)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, "not_found", "There is no such thing.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 400, "bad_request", "The request is not valid.")


def _error(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"code": code, "detail": detail}, status=status)
    return render(request, f"{status}.html", status=status)
