"""Streams where the socket cannot be had: behind TLS the consumers stay and write through ASGI. A real node, a real
certificate; the same promises.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from host.processes import Child, Program
from host.programs import CHECKOUT, DRAIN_SECONDS
from realtime.edge.asgi_wire import AsgiWire
from realtime.events import frame
from realtime.websocket import EXTRAS_MAX, client_frame
from tests.certificates import certificate
from tests.rooms import Room, open_room
from tests.sites import Site, free_port, wait_for
from tests.watching import HANG_SECONDS


@dataclass(frozen=True, slots=True)
class TlsNode:
    port: int
    trust: ssl.SSLContext
    child: Child
    log: Path


@pytest.fixture(scope="module")
def node(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsNode]:
    folder = tmp_path_factory.mktemp("tls")
    key, own = certificate(folder)
    port = free_port()
    endpoint = f"ssl:{port}:privateKey={key}:certKey={own}:interface=127.0.0.1"
    argv = (sys.executable, "-u", "-m", "liveplatform.node", "-e", endpoint)
    log = folder / "log"
    with log.open("wb") as output:
        program = Program("tls-node", argv, stop_seconds=DRAIN_SECONDS, cwd=CHECKOUT, env=site.env)
        child = Child(program, output)
    made = TlsNode(port, ssl.create_default_context(cafile=own), child, log)

    def is_ready() -> bool:
        try:
            url = f"https://127.0.0.1:{port}/readyz"
            return httpx.get(url, verify=made.trust, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(is_ready, "the node behind TLS")
        yield made
    finally:
        child.stop()
    assert "Traceback" not in log.read_text()


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        yield made


async def open_socket(node: TlsNode, room: Room) -> ClientConnection:
    return await connect(
        f"wss://127.0.0.1:{node.port}/ws?topic={room.topic}",
        ssl=node.trust,
        additional_headers={"Authorization": f"Bearer {room.people[0].token}"},
        subprotocols=[Subprotocol("live.v1.json")],
        proxy=None,
    )


async def test_event_stream_behind_tls_says_hello_and_delivers(node: TlsNode, room: Room) -> None:
    url = f"https://127.0.0.1:{node.port}/events?topic={room.topic}"
    async with (
        asyncio.timeout(HANG_SECONDS),
        httpx.AsyncClient(verify=node.trust, trust_env=False) as client,
        client.stream("GET", url) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        seen = []
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                seen.append(line.removeprefix("event: "))
            if seen == ["hello"] and not line:
                await room.comment("over TLS")
            if "comment" in seen and line.startswith("data: "):
                assert json.loads(line.removeprefix("data: "))["comment"]["body"] == "over TLS"
                break
        assert seen[0] == "hello"


async def test_poll_behind_tls_ends_by_itself(node: TlsNode, room: Room) -> None:
    url = f"https://127.0.0.1:{node.port}/events?topic={room.topic}&seconds=0"
    async with asyncio.timeout(HANG_SECONDS), httpx.AsyncClient(verify=node.trust, trust_env=False) as client:
        assert "event: hello" in (await client.get(url)).text


async def test_websocket_behind_tls_takes_commands_and_delivers(node: TlsNode, room: Room) -> None:
    async with asyncio.timeout(HANG_SECONDS), await open_socket(node, room) as opened:
        assert json.loads(await opened.recv())["event"] == "hello"
        await opened.send(json.dumps({"op": "like", "video": room.video_id, "ref": 7}))
        got: dict[str, object] = {}
        while not {"ack", "likes"} <= got.keys():
            message = json.loads(await opened.recv())
            got[message.get("event", "ack")] = message
        assert got["ack"]["total"] == 1  # type: ignore[index]
        await opened.send(b"binary")
        with pytest.raises(ConnectionClosed):
            while True:
                await opened.recv()
        assert opened.close_code == 1003


async def test_flood_of_empty_fragments_behind_tls_is_cut(node: TlsNode, room: Room) -> None:
    async with asyncio.timeout(HANG_SECONDS), await open_socket(node, room) as opened:
        assert json.loads(await opened.recv())["event"] == "hello"
        empty = client_frame(b"")[1:]
        opened.transport.write(b"\x01" + empty + (b"\x00" + empty) * (EXTRAS_MAX + 1))
        with pytest.raises(ConnectionClosed):
            while True:
                await opened.recv()
        assert opened.close_code == 1008


async def test_letter_in_a_header_begins_no_header_of_its_own(node: TlsNode, room: Room) -> None:
    """Autobahn takes 0x85, which is inside UTF-8 of many letters, for the end of a line."""
    async with (
        asyncio.timeout(HANG_SECONDS),
        connect(
            f"wss://127.0.0.1:{node.port}/ws",
            ssl=node.trust,
            additional_headers={"Cookie": f"city=\x85Authorization: Bearer {room.people[0].token}"},
            proxy=None,
        ) as opened,
    ):
        assert json.loads(await opened.recv())["event"] == "hello"
        await opened.send(json.dumps({"op": "like", "video": room.video_id}))
        assert json.loads(await opened.recv())["error"]["code"] == "unauthenticated"


async def test_viewer_behind_tls_who_leaves_is_counted_out(node: TlsNode, room: Room) -> None:
    async def watching() -> int:
        return int((await room.call("GET", f"/videos/{room.video_id}")).json()["viewers"]["count"])

    async with asyncio.timeout(HANG_SECONDS):
        opened = await open_socket(node, room)
        while await watching() != 1:
            await asyncio.sleep(0.05)
        await opened.close()
        while await watching() != 0:
            await asyncio.sleep(0.05)


async def test_what_a_slow_server_holds_back_counts_as_pending_until_it_is_sent() -> None:
    """So the node's rule for slow viewers holds for any server that makes its applications wait."""
    sent: list[Mapping[str, Any]] = []
    gate = asyncio.Event()

    async def send(message: Mapping[str, Any]) -> None:
        await gate.wait()
        sent.append(message)

    wire = AsgiWire(send, is_sse=True, behind=None)
    made = frame("likes", {"total": 1})
    wire.write([made])
    wire.write([made])
    assert wire.pending_bytes() == 2 * len(made.text)
    gate.set()
    async with asyncio.timeout(HANG_SECONDS):
        while wire.pending_bytes():
            await asyncio.sleep(0)
    assert [message["body"] for message in sent] == [made.text, made.text]


async def test_connection_that_has_ended_leaves_no_task_behind() -> None:
    """Each HTTP/1.0 stream left its sending task and 14 KB, and a server that says so itself left a traceback."""

    async def send(message: Mapping[str, Any]) -> None:
        raise ConnectionResetError("the peer has gone")

    before = asyncio.all_tasks()
    failing = AsgiWire(send, is_sse=True, behind=None)
    [sending] = asyncio.all_tasks() - before
    waiting = AsgiWire(send, is_sse=True, behind=None)
    failing.put(b"too late")
    async with asyncio.timeout(HANG_SECONDS):
        while not sending.done():
            await asyncio.sleep(0)
        assert sending.exception() is None
        waiting.stop()
        while asyncio.all_tasks() != before:
            await asyncio.sleep(0)
