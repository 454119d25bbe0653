"""The broker's side of a batch: its encoding is Celery's own, and nothing is kept of what nobody acknowledges."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.fixups.django import DjangoWorkerFixup
from django.conf import settings
from django.core import checks
from kombu import serialization
from kombu.utils import json as kombu_json
from prometheus_client import REGISTRY

from realtime.celery import app, watch_periodic_tasks
from realtime.tasks import retention
from videos.tasks import recount

BATCH = [[[["d", "video:1", 1, "comment", '{"body":"ü \\u2028 \\"🎉"}'], ["t", "video:1", 2, {"like": 3}, [], 0]]], {}]
SPECIAL = [[Decimal("1.5"), datetime(2026, 1, 2, tzinfo=UTC)], {}]


@pytest.mark.parametrize("value", [BATCH, SPECIAL], ids=["batch", "special"])
def test_processes_of_before_and_after_read_each_other(value: Any) -> None:
    """Celery's JSON is written and read by orjson; while a deploy runs, others still use Celery's own."""
    content_type, encoding, new = serialization.dumps(value, serializer="json")
    assert (content_type, encoding) == ("application/json", "utf-8")
    old = kombu_json.dumps(value)
    text = new.decode() if isinstance(new, bytes) else new
    read = kombu_json.loads(old)
    assert serialization.loads(old, content_type, encoding) == read
    if value is BATCH:
        assert kombu_json.loads(text) == read


def test_worker_keeps_nothing_of_what_it_takes() -> None:
    """Kombu remembers the tag of each message that is acknowledged, until it takes one that it has to remember."""
    with redis.Redis.from_url(settings.REDIS_URL) as client, app.connection_for_read() as connection:
        client.delete("dispatch")
        app.send_task("realtime.tasks.dispatch", [[]])
        channel = connection.default_channel
        taken: list[Any] = []
        consumer = app.amqp.TaskConsumer(channel, queues=[app.amqp.queues["dispatch"]], accept=["json"])

        def take(body: Any, message: Any) -> None:
            taken.append(body)
            message.ack()

        consumer.register_callback(take)
        with consumer:
            connection.drain_events(timeout=5)
        assert len(taken) == 1
        assert client.exists(channel.unacked_key, "dispatch") == 0
        assert (len(channel.qos._dirty), len(channel.qos._delivered)) == (0, 0)


def test_worker_starts_without_the_checks_of_the_whole_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """They cost 0.9 of the 1.4 CPU seconds of a start, and loaded every URL and form into a dispatcher."""
    ran: list[object] = []
    monkeypatch.setattr(checks, "run_checks", lambda **_: ran.append(1))
    DjangoWorkerFixup(app).validate_models()
    assert ran == []


@pytest.mark.django_db
def test_worker_of_periodic_tasks_notes_when_each_ended_well() -> None:
    """A recount that failed every five minutes was a traceback in a log, and nothing else."""

    def noted(name: str) -> float | None:
        return REGISTRY.get_sample_value("live_task_last_success_timestamp_seconds", {"task": name})

    amqp = SimpleNamespace(queues=SimpleNamespace(consume_from={"jobs": None}))
    watch_periodic_tasks(SimpleNamespace(app=SimpleNamespace(amqp=amqp)))
    assert {name: noted(name) for name in settings.CELERY_BEAT_SCHEDULE} == dict.fromkeys(
        settings.CELERY_BEAT_SCHEDULE, 0
    )
    assert REGISTRY.get_sample_value("live_task_interval_seconds", {"task": "recount"}) == 300
    before = time.time()
    recount.apply()
    retention.apply(args=["one too many"])
    assert (noted("recount") or 0) >= before
    assert noted("retention") == 0
