"""The publisher on the real broker: how many tasks events become, what a task costs Redis, when it collects longer."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest
import redis
from django.conf import settings

from realtime.dispatch.publisher import COLLECT_MAX_SECONDS, COLLECT_SECONDS, Publisher, pace
from realtime.events import Burst, Event, TopicName, from_wire
from realtime.stamps import WIRE_VERSION


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("dispatch")
        yield client
        client.delete("dispatch")


def tap(number: int) -> Burst:
    return Burst(TopicName(f"video:{number}"), {"heart": 1}, 1)


def batches(broker: redis.Redis) -> list[list[Event | None]]:
    """Return what waits in the queue, oldest first."""
    found = []
    for raw in reversed(broker.lrange("dispatch", 0, -1)):
        message = json.loads(raw)
        assert message["headers"]["task"] == "realtime.tasks.dispatch"
        assert message["content-type"] == "application/json"
        [wire, stamps], _, _ = json.loads(base64.b64decode(message["body"]))
        assert stamps == {"region": settings.LIVE_REGION, "published": ANY, "wire": WIRE_VERSION}
        found.append([from_wire(item) for item in wire])
    return found


def commands(broker: redis.Redis) -> dict[str, int]:
    stats: dict[str, dict[str, Any]] = broker.info("commandstats")
    return {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}


def wait_for(broker: redis.Redis, events: int) -> list[list[Event | None]]:
    deadline = time.monotonic() + 20
    while sum(map(len, found := batches(broker))) < events:
        assert time.monotonic() < deadline, found
        time.sleep(0.005)
    return found


def test_hundred_events_at_once_are_one_task(broker: redis.Redis) -> None:
    Publisher().publish([tap(number) for number in range(100)])
    assert [len(batch) for batch in wait_for(broker, 100)] == [100]


def test_batch_is_stamped_with_the_moment_of_its_newest_event(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    hold, began = threading.Event(), threading.Event()
    monkeypatch.setattr("realtime.dispatch.publisher.now_ms", iter((6, 7, 8)).__next__)
    publisher = Publisher()

    def held(batch: Any, published_ms: int) -> None:
        began.set()
        hold.wait(20)
        sent.append((len(batch), published_ms))

    monkeypatch.setattr(publisher, "send", held)
    publisher.publish([tap(0)])
    assert began.wait(20)
    publisher.publish([tap(1), tap(2)])
    publisher.publish([tap(3)])
    hold.set()
    deadline = time.monotonic() + 20
    while len(sent) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sent == [(1, 6), (3, 8)]


def test_what_comes_while_a_task_is_sent_goes_into_one_more(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, began = threading.Event(), threading.Event()
    publisher = Publisher()
    send = publisher.send

    def held(batch: Any, published_ms: int) -> None:
        began.set()
        hold.wait(20)
        send(batch, published_ms)

    monkeypatch.setattr(publisher, "send", held)
    publisher.publish([tap(0)])
    assert began.wait(20)
    for number in range(1, 50):
        publisher.publish([tap(number)])
    hold.set()
    assert [len(batch) for batch in wait_for(broker, 50)] == [1, 49]


def test_task_costs_redis_one_command_however_many_its_events(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher()
    publisher.send([tap(0)], 1)  # connects, declares the queue, and has a look at how many wait
    monkeypatch.setattr("realtime.dispatch.publisher.LOOK_SECONDS", 600)
    before = commands(broker)
    for _ in range(10):
        publisher.send([tap(number) for number in range(100)], 1)
    after = commands(broker)
    spent = {name: calls - before.get(name, 0) for name, calls in after.items() if calls != before.get(name, 0)}
    spent.pop("info")
    assert spent == {"lpush": 10}


def test_tasks_that_queue_up_make_it_collect_longer_and_an_empty_queue_as_short_as_ever(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces: list[float] = []

    def noted(collect_seconds: float, waiting_tasks: int) -> float:
        paces.append(pace(collect_seconds, waiting_tasks))
        return paces[-1]

    monkeypatch.setattr("realtime.dispatch.publisher.pace", noted)
    monkeypatch.setattr("realtime.dispatch.publisher.LOOK_SECONDS", 0)  # it looks each time
    publisher = Publisher()
    for _ in range(20):
        publisher.send([tap(0)], 1)
    assert paces[-1] == COLLECT_MAX_SECONDS
    for _ in range(20):
        broker.delete("dispatch")
        publisher.send([tap(0)], 1)
    assert paces[-1] == COLLECT_SECONDS


def test_pace_stays_where_a_few_tasks_wait() -> None:
    assert pace(0.02, 3) == 0.02
