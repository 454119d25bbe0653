"""What a connection reads first, of much: as quickly as it reads, within the bound for every reader."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.conf import settings

from realtime.edge.bound import WAITING_MAX_BYTES, Bound
from realtime.edge.consumers import EventStream
from realtime.edge.handoff import WIRE
from realtime.edge.handshake import Request
from realtime.edge.session import CommandSession
from realtime.edge.sockets import Sockets
from realtime.events import ConnectionId, NodeId, TopicName
from realtime.limits import Limited, RateLimit, network_of
from realtime.node.connections import Connection
from realtime.node.node import Node
from realtime.node.process import process
from tests.realtime.fakes import VIDEO, FakeKind, FakeStore, FakeTable, read_event_stream
from tests.watching import eventually

SNAPSHOT_BYTES = 40_000
TOPICS = [TopicName(f"video:{number}") for number in range(12)]


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    """A node of topics with large snapshots."""
    monkeypatch.setattr(settings, "LIVE_LIMITS", False)
    store = FakeStore()
    for topic in {VIDEO, *TOPICS}:
        store.create(topic)
        store.note("x" * SNAPSHOT_BYTES, topic)
    made = Node(NodeId("node-1"), table=FakeTable(), store=store, kinds={"video": FakeKind()}, frame_seconds=0.0)
    monkeypatch.setattr(process, "node", lambda: made)
    yield made
    await made.aclose()


@pytest.fixture
async def ours() -> AsyncIterator[Sockets]:
    made = Sockets(Bound())
    yield made
    made.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection, ours first, with little room between them."""
    near, far = socket.socketpair()
    for end in (near, far):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    with far:
        yield near, far


@pytest.fixture
def commander(node: Node, ours: Sockets, ends: tuple[socket.socket, socket.socket]) -> CommandSession:
    made = CommandSession(node, None, Request({}, [], {}, "", False, network_of("")))
    wire = ours.adopt(ends[0].detach(), made, is_sse=False)
    made.connection = Connection(ConnectionId("c"), wire, is_sse=False)
    node.add(made.connection)
    return made


def subscribe(op: str = "subscribe") -> str:
    return json.dumps({"op": op, "topic": VIDEO, "ref": 1})


async def test_subscribing_again_to_what_one_has_is_answered_without_the_snapshot(
    commander: CommandSession, ends: tuple[socket.socket, socket.socket]
) -> None:
    """One socket that read nothing had 190 snapshots wait for it, and 90 such sockets 2 GB."""
    await commander.take(subscribe())
    peer, got = ends[1], b""
    while commander.connection.wire.pending_bytes() or b'"ack":1' not in got:
        got += await read_some(peer)
    for _ in range(190):
        await commander.take(subscribe())
    assert commander.connection.wire.pending_bytes() < SNAPSHOT_BYTES
    assert b'"seq":1,"snapshot":null}' in await read_some(peer)


async def read_some(peer: socket.socket) -> bytes:
    got = b""

    async def has_come() -> bool:
        nonlocal got
        try:
            got = peer.recv(1 << 20)
        except BlockingIOError:
            return False
        return True

    await eventually(has_come, "something to read")
    return got


async def test_commands_wait_until_their_sender_has_read_the_answers(
    node: Node, commander: CommandSession, ends: tuple[socket.socket, socket.socket]
) -> None:
    for _ in range(20):
        commander.received(subscribe("unsubscribe"))
        commander.received(subscribe())
    await eventually(lambda: commander.connection.wire.pending_bytes() > 0, "an answer to wait")
    assert len(commander.waiting) > 30
    most = 0
    while commander.waiting:
        most = max(most, commander.connection.wire.pending_bytes())
        await read_some(ends[1])
    assert most <= WAITING_MAX_BYTES
    assert commander.connection.id in node.connections, "who reads is not cut"


async def test_bytes_that_a_command_causes_count_as_commands(
    commander: CommandSession, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "LIVE_LIMITS", True)
    commander.limit = RateLimit(burst=5, per_second=1, clock=lambda: 0.0)
    await commander.take(subscribe())
    while commander.connection.wire.pending_bytes():
        await read_some(ends[1])
    with pytest.raises(Limited):
        commander.limit.take("", 5)
    commander.limit.take("", 1)
    await commander.take(subscribe())  # costs one for itself, and two for the 40 KB before
    with pytest.raises(Limited):
        commander.limit.take("")


async def test_stream_of_many_topics_gets_them_as_it_reads(
    node: Node, ours: Sockets, ends: tuple[socket.socket, socket.socket]
) -> None:
    """All of them came in one `hello`: 50 large rooms were megabytes that waited for one reader."""
    near, far = ends

    def take(listener: Any) -> Any:
        return ours.adopt(near.detach(), listener, is_sse=True)

    scope = {
        "type": "http",
        "method": "GET",
        "query_string": "&".join(f"topic={topic}" for topic in TOPICS).encode(),
        "headers": [(b"host", b"localhost")],
        "client": ["127.0.0.1", 5],
        "extensions": {WIRE: take},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    application: Any = EventStream.as_asgi()
    await application(scope, receive, send)
    [connection] = node.connections.values()
    got, most = b"", 0
    while len(connection.topics) < len(TOPICS) or connection.wire.pending_bytes():
        most = max(most, connection.wire.pending_bytes())
        got += await read_some(far)
    assert most <= WAITING_MAX_BYTES
    hello, *others = (
        (name, data) for name, data in read_event_stream(chunks(got.partition(b"\r\n\r\n")[2])) if name != "viewers"
    )
    assert hello[0] == "hello"
    assert {name for name, _ in others} == {"subscribed"}
    assert [*hello[1]["topics"], *(data["topic"] for _, data in others)] == TOPICS
    assert all(data["snapshot"]["notes"] for _, data in others)


def chunks(stream: bytes) -> bytes:
    """Return the body of a chunked message, as far as it has come."""
    body = b""
    while b"\r\n" in stream:
        size, _, rest = stream.partition(b"\r\n")
        body, stream = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body
