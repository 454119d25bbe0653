"""The dispatcher on fakes: one message per node and batch, nothing for topics that nobody watches."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import msgpack
import pytest
from channels_redis.serializers import registry

from realtime.dispatch.dispatcher import Dispatcher, deliver_message
from realtime.events import Counters, Durable, NodeId, TopicName, to_wire
from realtime.stamps import WIRE_VERSION
from realtime.table.scripts import TableUnavailable
from tests.kit import sample
from tests.realtime.fakes import FakeTable

A, B = NodeId("node-a"), NodeId("node-b")
ONE, TWO = TopicName("video:1"), TopicName("video:2")


class Layer:
    """Unpacks as the channel layer does."""

    def __init__(self) -> None:
        self.sent: list[tuple[NodeId, dict[str, Any]]] = []
        self.stamps: list[dict[str, Any]] = []
        self.calls = 0

    async def send(self, messages: Mapping[NodeId, bytes]) -> None:
        self.calls += 1
        self.sent += [(node, msgpack.unpackb(message)) for node, message in messages.items()]
        self.stamps += [message.pop("stamps") for _, message in self.sent[len(self.stamps) :]]


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
    await table.enter(A, [ONE, TWO])
    await table.enter(B, [TWO])
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
    await table.enter(A, [ONE])
    likes = [to_wire(Counters(ONE, number, {"like": number}, ("Ada",), number)) for number in range(1, 101)]
    await dispatcher.dispatch(likes)
    [(_, message)] = layer.sent
    assert message["events"] == [to_wire(Counters(ONE, 100, {"like": 100}, ("Ada",), 1))]


async def test_lookup_is_remembered_for_a_moment(table: FakeTable, layer: Layer) -> None:
    now = 0.0
    dispatcher = Dispatcher(table, layer.send, lambda: now, cache_seconds=0.1)
    await table.enter(A, [ONE])
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
    await table.enter(A, [ONE])
    await dispatcher.dispatch([note(ONE, 2)])
    assert layer.sent == [(A, {"type": "node.deliver", "events": [note(ONE, 2)]})]


async def test_what_is_remembered_is_bounded(table: FakeTable, layer: Layer) -> None:
    dispatcher = Dispatcher(table, layer.send, lambda: 0.0, cache_max_topics=10)
    for number in range(25):
        topic = TopicName(f"video:{number}")
        await table.enter(A, [topic])
        await dispatcher.dispatch([note(topic, 1)])
    table.calls.clear()
    await dispatcher.dispatch([note(TopicName(f"video:{number}"), 2) for number in range(25)])
    [(_, asked)] = table.calls
    assert 0 < 25 - len(asked) <= 10


async def test_items_that_are_no_events_take_nobody_with_them(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer
) -> None:
    await table.enter(A, [ONE])
    outcome = await dispatcher.dispatch([None, ["d"], ["future", 1], {"topic": ONE}, note(ONE, 1)])
    [(_, message)] = layer.sent
    assert message["events"] == [note(ONE, 1)]
    assert (outcome.events, outcome.bad) == (1, 4)


async def test_state_that_is_none_leaves_the_one_that_is(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer
) -> None:
    await table.enter(A, [ONE])
    likes = to_wire(Counters(ONE, 1, {"like": 1}, (), 1))
    outcome = await dispatcher.dispatch([likes, ["t", ONE, "many"], ["t", ONE]])
    assert [message["events"] for _, message in layer.sent] == [[likes]]
    assert outcome.bad == 2


async def test_event_of_a_newer_version_reaches_the_nodes_that_may_know_it(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer
) -> None:
    """While a new version is deployed piece by piece, new backends publish through old dispatchers."""
    await table.enter(A, [ONE])
    await dispatcher.dispatch([["x", ONE, {"new": True}]])
    assert [message["events"] for _, message in layer.sent] == [[["x", ONE, {"new": True}]]]


async def test_message_is_what_the_channel_layer_would_write_itself() -> None:
    """It is put together from packed items: nodes of any version must not see a difference."""
    for count in (1, 15, 16, 70_000):
        items = [note(ONE, seq) for seq in range(count)]
        message = {"type": "node.deliver", "events": items, "stamps": {"region": "eu", "dispatched": 1}}
        whole = registry.get_serializer("msgpack").serialize(message)
        assert deliver_message([msgpack.packb(item) for item in items], msgpack.packb(message["stamps"])) == whole


async def test_batch_costs_one_lookup_and_one_sending_whatever_its_nodes(table: FakeTable, layer: Layer) -> None:
    dispatcher = Dispatcher(table, layer.send, lambda: 0.0)
    topics = [TopicName(f"video:{number}") for number in range(100)]
    for number in range(20):
        await table.enter(NodeId(f"node-{number}"), topics)
    table.calls.clear()
    outcome = await dispatcher.dispatch([note(topic, 1) for topic in topics])
    assert (len(table.calls), layer.calls, outcome.messages) == (1, 1, 20)


async def test_event_is_packed_once_whatever_its_nodes(
    table: FakeTable, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[Any] = []
    real = msgpack.Packer

    class Packer:
        def __init__(self) -> None:
            self._packer = real()
            self.pack_array_header = self._packer.pack_array_header

        def pack(self, item: Any) -> bytes:
            packed.append(copy.deepcopy(item))
            return bytes(self._packer.pack(item))

    monkeypatch.setattr("realtime.dispatch.dispatcher.msgpack.Packer", Packer)
    for number in range(20):
        await table.enter(NodeId(f"node-{number}"), [ONE])
    await Dispatcher(table, layer.send, lambda: 0.0).dispatch([note(ONE, 1), note(ONE, 2)])
    assert packed[:-1] == [note(ONE, 1), note(ONE, 2)]
    assert packed[-1].keys() == {"dispatched"}
    assert len(layer.sent) == 20


async def test_stamps_go_along_with_the_dispatchers_own(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch that another region has dispatched before, the later moment counts: it is this region's."""
    monkeypatch.setattr("realtime.dispatch.dispatcher.now_ms", lambda: 1_000)
    await table.enter(A, [ONE])
    stamps = {"region": "eu", "published": 900, "dispatched": 910, "relayed": 950}
    await dispatcher.dispatch([note(ONE, 1)], stamps)
    assert layer.stamps == [{**stamps, "dispatched": 1_000}]
    assert stamps["dispatched"] == 910


@pytest.mark.parametrize(
    "stamps", [None, [], "eu", {"region": "e-u", "published": "9"}, {"published": True, "relayed": -1, 7: 1 << 60}]
)
async def test_stamps_that_are_none_do_not_hold_a_batch_up(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer, stamps: object
) -> None:
    await table.enter(A, [ONE])
    await dispatcher.dispatch([note(ONE, 1)], stamps)
    assert [found.keys() for found in layer.stamps] == [{"dispatched"}]


async def test_batch_in_a_wire_version_that_is_not_spoken_goes_nowhere(
    dispatcher: Dispatcher, table: FakeTable, layer: Layer
) -> None:
    """A newer release's backend runs already: this dispatcher would misread its events, and so would the nodes."""
    await table.enter(A, [ONE])
    refused = sample("live_wire_refused_total")
    outcome = await dispatcher.dispatch([note(ONE, 1), note(ONE, 2)], {"wire": WIRE_VERSION + 1})
    assert sample("live_wire_refused_total") == refused + 1
    assert (outcome.events, outcome.bad, layer.stamps) == (0, 2, [])
    for spoken in ({"wire": WIRE_VERSION}, {}):
        await dispatcher.dispatch([note(ONE, 3)], spoken)
    assert [found.get("wire") for found in layer.stamps] == [WIRE_VERSION, None]


async def test_table_away_is_the_callers_to_know(dispatcher: Dispatcher, table: FakeTable, layer: Layer) -> None:
    table.is_away = True
    with pytest.raises(TableUnavailable):
        await dispatcher.dispatch([note(ONE, 1)])
    assert layer.sent == []
