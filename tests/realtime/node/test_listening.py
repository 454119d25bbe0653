"""A node's ear on the channel layer: what makes it hear again after the layer has gone deaf in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgpack
import pytest

from realtime.background import BackgroundTasks, end
from realtime.events import NodeId
from realtime.node import listening, questions
from realtime.node.listening import LayerListener
from realtime.node.questions import Questions
from realtime.stamps import WIRE_VERSION
from tests.kit import HANG_SECONDS, sample, until

HEARD = {"type": "node.deliver", "events": ["an event"]}


class FakeLayer:
    """A channel layer that loses its subscription without saying so: `deafen()`."""

    def __init__(self) -> None:
        self.subscriptions = 0
        self.canaries = 0
        self.is_away = False
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    async def send_to_nodes(self, messages: Mapping[NodeId, bytes]) -> frozenset[NodeId]:
        if self.is_away:
            raise ConnectionError("away")
        for packed in messages.values():
            message = msgpack.unpackb(packed)
            self.canaries += message == {"type": "node.canary"}
            self._queue.put_nowait(message)
        return frozenset(messages)

    async def receive(self, channel: str) -> Any:
        if self._is_new:
            self.subscriptions += 1
            self._is_new = False
            self._queue = asyncio.Queue()
        try:
            message = await self._queue.get()
        except asyncio.CancelledError:
            self._is_new = True
            raise
        if isinstance(message, Exception):
            self._is_new = True
            raise message
        return message

    _is_new = True

    async def messages_to(self, node: NodeId) -> AsyncIterator[Any]:
        while True:
            yield await self.receive(node)

    def deafen(self) -> None:
        """Send what comes from now on to nobody. Only a new subscription helps."""
        self._queue.put_nowait = lambda item: None  # type: ignore[method-assign]

    def publish(self, message: Any) -> None:
        self._queue.put_nowait(message)


class FakeNode:
    id = NodeId("node")

    def __init__(self) -> None:
        self.delivered: list[Any] = []

    def deliver(self, items: Any, stamps: Any) -> None:
        self.delivered.extend(items)


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> FakeLayer:
    made = FakeLayer()
    monkeypatch.setattr(listening, "messages_to", made.messages_to)
    monkeypatch.setattr(listening, "send_to_nodes", made.send_to_nodes)
    monkeypatch.setattr(listening, "CANARY_SECONDS", 0.01)
    monkeypatch.setattr(listening, "DEAF_SECONDS", HANG_SECONDS)  # a busy machine is not deaf
    monkeypatch.setattr(listening, "RESUBSCRIBE_SECONDS", 0.0)
    return made


@pytest.fixture
async def node(layer: FakeLayer) -> AsyncIterator[FakeNode]:
    node = FakeNode()
    listener = LayerListener(node.id, deliver=node.deliver, other=lambda message: None)
    running = asyncio.create_task(listener.run())
    yield node
    await end(running)


async def test_node_hears_itself_on_one_subscription(node: FakeNode, layer: FakeLayer) -> None:
    await until(lambda: layer.canaries > 20)
    layer.publish(HEARD)
    await until(lambda: node.delivered == ["an event"])
    assert layer.subscriptions == 1


async def test_node_that_does_not_hear_its_canary_subscribes_again(
    node: FakeNode, layer: FakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8. Stock: a lost subscription is never noticed, and SUBSCRIBE is never confirmed."""
    await until(lambda: layer.canaries > 1)
    layer.deafen()
    layer.publish(HEARD)
    with monkeypatch.context() as impatient:
        impatient.setattr(listening, "DEAF_SECONDS", 0.1)
        await until(lambda: layer.subscriptions > 1)
    layer.publish(HEARD)
    await until(lambda: node.delivered == ["an event"])


async def test_layer_that_is_away_is_asked_until_it_is_back(
    node: FakeNode, layer: FakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(lambda: layer.canaries > 1)
    layer.is_away = True
    with monkeypatch.context() as impatient:
        impatient.setattr(listening, "DEAF_SECONDS", 0.1)
        await until(lambda: layer.subscriptions > 2)
    layer.is_away = False
    canaries = layer.canaries
    await until(lambda: layer.canaries > canaries)
    layer.publish(HEARD)
    await until(lambda: node.delivered == ["an event"])


async def test_message_that_cannot_be_read_costs_one_subscription(node: FakeNode, layer: FakeLayer) -> None:
    """L7. Stock: it ends the consumer of every viewer."""
    await until(lambda: layer.canaries > 1)
    layer.publish(ValueError("not msgpack"))
    await until(lambda: layer.subscriptions == 2)
    layer.publish(HEARD)
    await until(lambda: node.delivered == ["an event"])


@pytest.mark.parametrize(
    "message", [None, "text", [], {}, {"type": "node.of_the_future"}, {"type": "node.deliver", "events": "none"}]
)
async def test_message_that_is_not_understood_is_passed_over(node: FakeNode, layer: FakeLayer, message: Any) -> None:
    await until(lambda: layer.canaries > 1)
    layer.publish(message)
    layer.publish(HEARD)
    await until(lambda: node.delivered == ["an event"])
    assert layer.subscriptions == 1


async def test_node_that_is_deaf_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that had just started heard nothing yet: its open connections were said to be gone (404)."""
    asking = Questions(NodeId("node"), {}, BackgroundTasks("node").spawn)
    deaf_for = iter((0, 0, 1))

    async def send_to_nodes(messages: Mapping[NodeId, bytes]) -> frozenset[NodeId]:
        [(node, message)] = messages.items()
        if heard := next(deaf_for):
            asking.take({"type": "node.answer", "ref": msgpack.unpackb(message)["ref"], "answer": "an answer"})
        return frozenset([node] if heard else [])

    monkeypatch.setattr(questions, "send_to_nodes", send_to_nodes)
    monkeypatch.setattr(questions, "ASK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(questions, "RESUBSCRIBE_SECONDS", 60.0)
    monkeypatch.setattr(questions, "ASK_SECONDS", 60.0)
    assert await asking.ask(NodeId("deaf"), "node.saw", {}) == "an answer"
    monkeypatch.setattr(questions, "RESUBSCRIBE_SECONDS", 0.0)
    deaf_for = iter((0, 0))
    assert await asking.ask(NodeId("gone"), "node.saw", {}) is None


async def test_node_leaves_out_what_a_newer_release_writes_in_another_way(node: FakeNode, layer: FakeLayer) -> None:
    """Releases run side by side for a while. What is durable in it the node finds with its next look."""
    refused = sample("live_wire_refused_total")
    layer.publish({**HEARD, "events": ["a riddle"], "stamps": {"wire": WIRE_VERSION + 1}})
    layer.publish({**HEARD, "stamps": {"wire": WIRE_VERSION}})
    await until(lambda: node.delivered == ["an event"])
    assert sample("live_wire_refused_total") == refused + 1
