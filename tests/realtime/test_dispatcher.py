"""The dispatcher on fakes: one message per node and batch, nothing for topics that nobody watches."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.dispatcher import Dispatcher
from realtime.events import Durable, NodeId, TopicName, Totals, to_wire
from realtime.subscriptions import TableUnavailable
from tests.realtime.fakes import FakeTable

A, B = NodeId("node-a"), NodeId("node-b")
ONE, TWO = TopicName("video:1"), TopicName("video:2")


class Layer:
    def __init__(self) -> None:
        self.sent: list[tuple[NodeId, dict[str, Any]]] = []

    async def send(self, node: NodeId, message: dict[str, Any]) -> None:
        self.sent.append((node, message))


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
async def table() -> FakeTable:
    return FakeTable(clock=lambda: 0.0)


@pytest.fixture
async def dispatcher(table: FakeTable, layer: Layer) -> Dispatcher:
    return Dispatcher(table, layer.send, lambda: 0.0)


def note(topic: TopicName, seq: int) -> list[Any]:
    return to_wire(Durable.of(topic, seq=seq, name="note", at_ms=1, data={}))


async def test_batch_becomes_one_message_for_each_node(dispatcher: Dispatcher, table: FakeTable, layer: Layer) -> None:
    await table.renew(A, {ONE: 1, TWO: 1})
    await table.renew(B, {TWO: 1})
    outcome = await dispatcher.dispatch([note(ONE, 1), note(TWO, 1), note(ONE, 2)])
    assert dict(layer.sent) == {
        A: {"type": "node.deliver", "events": [note(ONE, 1), note(TWO, 1), note(ONE, 2)]},
        B: {"type": "node.deliver", "events": [note(TWO, 1)]},
    }
    assert (outcome.events, outcome.messages, outcome.unwatched) == (3, 2, 0)


async def test_topic_that_nobody_watches_costs_no_message(dispatcher: Dispatcher, layer: Layer) -> None:
    outcome = await dispatcher.dispatch([note(ONE, 1)])
    assert layer.sent == []
    assert outcome.unwatched == 1


async def test_hundred_likes_become_one(dispatcher: Dispatcher, table: FakeTable, layer: Layer) -> None:
    await table.renew(A, {ONE: 1})
    likes = [to_wire(Totals(ONE, number, {"like": number}, ("Ada",), number)) for number in range(1, 101)]
    await dispatcher.dispatch(likes)
    [(_, message)] = layer.sent
    assert message["events"] == [to_wire(Totals(ONE, 100, {"like": 100}, ("Ada",), 1))]


async def test_lookup_is_remembered_for_a_moment(table: FakeTable, layer: Layer) -> None:
    now = 0.0
    dispatcher = Dispatcher(table, layer.send, lambda: now, cache_seconds=0.1)
    await table.renew(A, {ONE: 1})
    table.calls.clear()
    await dispatcher.dispatch([note(ONE, 1)])
    await dispatcher.dispatch([note(ONE, 2)])
    assert len(table.calls) == 1
    now = 0.2
    await dispatcher.dispatch([note(ONE, 3)])
    assert len(table.calls) == 2


async def test_first_viewer_right_after_an_event_that_nobody_watched_gets_the_next_one(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer
) -> None:
    """A broadcast begins, its first viewer comes and taps hearts: they were lost, "nobody watches" was remembered."""
    await dispatcher.dispatch([note(ONE, 1)])
    await table.renew(A, {ONE: 1})
    await dispatcher.dispatch([note(ONE, 2)])
    assert layer.sent == [(A, {"type": "node.deliver", "events": [note(ONE, 2)]})]


async def test_what_is_remembered_is_bounded(table: FakeTable, layer: Layer) -> None:
    dispatcher = Dispatcher(table, layer.send, lambda: 0.0, cache_max_topics=10)
    for number in range(25):
        topic = TopicName(f"video:{number}")
        await table.renew(A, {topic: 1})
        await dispatcher.dispatch([note(topic, 1)])
    assert len(dispatcher._cache) <= 10


async def test_items_that_are_no_events_take_nobody_with_them(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer
) -> None:
    await table.renew(A, {ONE: 1})
    await dispatcher.dispatch([None, ["future", 1], note(ONE, 1)])
    [(_, message)] = layer.sent
    assert message["events"] == [note(ONE, 1)]


async def test_table_away_is_the_callers_to_know(dispatcher: Dispatcher, table: FakeTable, layer: Layer) -> None:
    table.is_away = True
    with pytest.raises(TableUnavailable):
        await dispatcher.dispatch([note(ONE, 1)])
    assert layer.sent == []
