"""What an idle viewer costs a node, counted: the consumer is gone, and what it leaves is a few dozen small objects."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.conf import settings

from realtime.edge.bound import Bound
from realtime.edge.consumers import EventStream, WebSocketStream
from realtime.edge.handoff import WIRE
from realtime.edge.handshake import Request
from realtime.edge.session import ERRORS_MAX, CommandSession
from realtime.edge.sockets import Sockets
from realtime.events import ConnectionId, NodeId
from realtime.identity import Identity
from realtime.limits import network_of
from realtime.node.connections import Connection
from realtime.node.node import Node
from realtime.node.process import process
from realtime.registry import CommandError, registry
from tests.realtime.fakes import VIDEO, FakeKind, FakeStore, FakeTable

BLOCKS_MAX = 20
VIEWERS = 200


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(settings, "LIVE_LIMITS", False)  # all from one address
    store = FakeStore()
    store.create(VIDEO)
    made = Node(NodeId("node-1"), table=FakeTable(), store=store, kinds={"video": FakeKind()}, frame_seconds=0.0)
    monkeypatch.setattr(process, "node", lambda: made)
    yield made
    await made.aclose()


@pytest.fixture
def peers() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for peer in opened:
        peer.close()


def connected(peers: list[socket.socket]) -> int:
    """Return the descriptor of our end of a new connection."""
    ours, peer = socket.socketpair()
    peers.append(peer)
    ours.setblocking(False)
    return ours.detach()


@pytest.mark.parametrize("is_sse", [True, False])
async def test_idle_viewer_is_no_task_and_few_objects(node: Node, peers: list[socket.socket], is_sse: bool) -> None:
    sockets = Sockets(Bound())
    application: Any = EventStream.as_asgi() if is_sse else WebSocketStream.as_asgi()

    async def send(message: dict[str, Any]) -> None:
        assert message["type"] == "websocket.accept"

    async def open_one() -> None:
        descriptor = connected(peers)
        scope = {
            "type": "http" if is_sse else "websocket",
            "method": "GET",
            "query_string": f"topic={VIDEO}".encode(),
            "headers": [(b"host", b"localhost"), (b"user-agent", b"x" * 100)],
            "client": ["127.0.0.1", 5],
            "subprotocols": [],
            "extensions": {WIRE: lambda listener: sockets.adopt(descriptor, listener, is_sse=is_sse)},
        }
        first = {"type": "http.request", "body": b""} if is_sse else {"type": "websocket.connect"}

        async def receive() -> dict[str, Any]:
            return first

        await application(scope, receive, send)

    for _ in range(VIEWERS):  # tables grow by doubling: they have grown now
        await open_one()
    tasks = len(asyncio.all_tasks())
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(VIEWERS):
        await open_one()
    gc.collect()
    per_viewer = (sys.getallocatedblocks() - before) / VIEWERS
    assert len(node.connections) == 2 * VIEWERS
    assert len(asyncio.all_tasks()) == tasks, "nothing waits for a viewer who says nothing"
    assert per_viewer < BLOCKS_MAX
    assert all(b'"seq"' in peer.recv(4096) for peer in peers), "each has its hello"
    sockets.close()
    assert not node.connections


async def test_who_is_told_to_wait_is_not_sent_away_for_good(
    node: Node, peers: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten likes too many, or while the database was away, or the presence of ten who are none of one's acquaintances,
    closed a WebSocket with 4400: do not come back.
    """
    codes = iter(["too_often", "unavailable", "not_found"] * 4 + ["invalid"] * ERRORS_MAX)

    async def refuse(*_: Any) -> dict[str, Any]:
        raise CommandError(next(codes), "no")

    monkeypatch.setitem(registry.commands, "like", refuse)
    sockets = Sockets(Bound())
    session = CommandSession(node, None, Request({}, [], {}, "", False, network_of("")))
    wire = sockets.adopt(connected(peers), session, is_sse=False)
    session.connection = Connection(ConnectionId("c"), wire, is_sse=False, identity=Identity("ada"))
    node.add(session.connection)
    for number in range(12 + ERRORS_MAX):
        assert session.connection.id in node.connections, number
        await session.take('{"op":"like"}')
    assert session.connection.id not in node.connections
    sockets.close()


async def test_commands_after_the_one_that_closed_the_connection_are_not_run(
    node: Node, peers: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = []

    async def note(*_: Any) -> dict[str, Any]:
        run.append(1)
        return {}

    monkeypatch.setitem(registry.commands, "like", note)
    sockets = Sockets(Bound())
    session = CommandSession(node, None, Request({}, [], {}, "", False, network_of("")))
    wire = sockets.adopt(connected(peers), session, is_sse=False)
    session.connection = Connection(ConnectionId("c"), wire, is_sse=False, identity=Identity("ada"))
    node.add(session.connection)
    for message in ('{"op":"like"}', b"no text", '{"op":"like"}', '{"op":"like"}'):
        session.received(message)
    assert session.working is not None
    await session.working
    assert run == [1]
    sockets.close()
