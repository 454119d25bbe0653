"""A site in one task, for the load generator's tests: it records what it is asked, and lies on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from realtime.events import now_ms
from realtime.websocket import accept_key, websocket_frame

KINDS = ("like", "celebrate", "support", "love", "insightful", "funny")
TOPIC = "video:fake"
EPOCH = "e"

# What becomes of an event on its way to one viewer: usually itself, once.
Lie = Callable[["FakeViewer", "Event"], list["Event"]]


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: dict[str, Any]

    @property
    def seq(self) -> int | None:
        seq: int | None = self.data.get("seq")
        return seq


def honest(viewer: FakeViewer, event: Event) -> list[Event]:
    return [event]


@dataclass(eq=False, slots=True)
class FakeViewer:
    """A connection of the fake site. `number` counts them from 0 in the order they came."""

    number: int
    is_websocket: bool
    writer: asyncio.StreamWriter
    held: list[Event] = field(default_factory=list)

    def write(self, event: Event) -> None:
        if self.is_websocket:
            self.writer.write(websocket_frame(json.dumps({"event": event.name, "data": event.data}).encode()))
        else:
            text = f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n".encode()
            self.writer.write(b"%x\r\n%b\r\n" % (len(text), text))

    def write_raw(self, data: bytes) -> None:
        self.writer.write(data)

    def cut(self) -> None:
        self.writer.transport.abort()


def seq_of(position: str | None) -> int | None:
    """Return the seq of a position in the fake site's history."""
    if position is None:
        return None
    assert position.startswith(f"{TOPIC}@{EPOCH}."), position
    return int(position.rpartition(".")[2])


class FakeSite:
    """Holds one video. `lie` decides what each viewer gets of each event; `log` are the durable events."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.lie: Lie = honest
        self.on_comment: Callable[[dict[str, Any]], None] = lambda comment: None
        self.viewers: list[FakeViewer] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0
        self.log: list[Event] = []
        self.likes: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.streams: list[dict[str, str]] = []  # the headers of each request for a stream
        self.refusals: list[int] = []  # statuses to answer the next likes and comments with
        self.stream_refusals: list[int] = []  # the same for streams
        self.commands: list[dict[str, Any]] = []
        self.command_errors: list[str] = []  # codes to answer the next likes and comments by WebSocket with, "": none
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> FakeSite:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096, ssl=self._tls)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:  # of those, too, that have not become viewers
            writer.transport.abort()

    # What it knows

    def totals(self) -> dict[str, Any]:
        kinds = {kind: list(self.likes.values()).count(kind) for kind in KINDS}
        return {"total": len(self.likes), "kinds": kinds}

    def snapshot(self) -> dict[str, Any]:
        return {"likes": self.totals(), "comments": [event.data["comment"] for event in self.log]}

    def publish(self, event: Event) -> None:
        for viewer in list(self.viewers):
            self.deliver(viewer, event)

    def deliver(self, viewer: FakeViewer, event: Event) -> None:
        for told in self.lie(viewer, event):
            viewer.write(told)

    def publish_likes(self) -> None:
        self.publish(Event("likes", {"topic": TOPIC, **self.totals(), "delta": 1, "names": [], "at_ms": 0}))

    # HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if path.startswith(("/events", "/ws")):
                    await self._stream(reader, writer, path, headers)
                    break
                self.requests.append((method, path))
                status, answer = self._answer(method, path, headers, body)
                text = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text))
        self._writers.discard(writer)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            return 200, {"seq": len(self.log), "likes": self.totals()}
        if self.refusals and (status := self.refusals.pop(0)) != 200:
            return status, {"code": "refused", "detail": "Not now."}
        viewer = headers["authorization"]
        if path.endswith("/like"):
            if method == "DELETE":
                self.likes.pop(viewer, None)
            else:
                self.likes[viewer] = json.loads(body)["kind"]
            self.publish_likes()
            return 200, self.totals()
        comment = {**json.loads(body), "id": str(uuid4()), "seq": len(self.log) + 1, "at_ms": now_ms()}
        event = Event("comment", {"topic": TOPIC, "seq": comment["seq"], "at_ms": 0, "comment": dict(comment)})
        self.log.append(event)
        self.on_comment(comment)
        self.publish(event)
        return 201, comment

    def _act(self, viewer: FakeViewer, command: dict[str, Any], who: str) -> None:
        """Answer a like or a comment that came by WebSocket."""
        self.commands.append(command)
        code = self.command_errors.pop(0) if self.command_errors else ""
        if code == "cut":
            viewer.cut()
            return
        if code:
            answer: dict[str, Any] = {"error": {"code": code, "detail": "Not now."}, "ref": command["ref"]}
        else:
            method, path = {"like": ("PUT", "/like"), "unlike": ("DELETE", "/like"), "comment": ("POST", "/comments")}[
                command["op"]
            ]
            _, told = self._answer(method, path, {"authorization": who}, json.dumps(command).encode())
            answer = {"ack": command["ref"], **({"comment": told} if command["op"] == "comment" else told)}
        viewer.write_raw(websocket_frame(json.dumps(answer).encode()))

    # Streams

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, headers: dict[str, str]
    ) -> None:
        self.streams.append({**headers, ":path": path})
        if self.stream_refusals and (status := self.stream_refusals.pop(0)) != 200:
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
            writer.close()
            return
        viewer = FakeViewer(self.connections, path.startswith("/ws"), writer)
        self.connections += 1
        after = seq_of(headers.get("last-event-id"))
        if viewer.is_websocket:
            writer.write(
                b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
                % accept_key(headers["sec-websocket-key"].encode())
            )
            viewer.write(Event("hello", {"node": "n", "connection": str(viewer.number), "topics": {}, "retry_ms": 1}))
            command = await self._command(reader)
            while command.get("op") != "subscribe":
                self._act(viewer, command, headers.get("authorization", ""))
                command = await self._command(reader)
            after = seq_of(command.get("after"))
            viewer.write_raw(
                websocket_frame(json.dumps({"ack": command["ref"], "topic": TOPIC, **self._opening(after)}).encode())
            )
        else:
            writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            hello = {"node": "n", "connection": str(viewer.number), "retry_ms": 1}
            viewer.write(Event("hello", {**hello, "topics": {TOPIC: self._opening(after)}}))
        self.viewers.append(viewer)
        if after is not None:
            for event in self.log[after:]:
                viewer.write(event)
            viewer.write(Event("likes", {"topic": TOPIC, **self.totals(), "delta": 0, "names": [], "at_ms": 0}))
        try:
            while True:
                if viewer.is_websocket:
                    self.commands.append(await self._command(reader))
                elif not await reader.read(1_024):
                    return
        finally:
            self.viewers.remove(viewer)
            writer.close()

    def _opening(self, after: int | None) -> dict[str, Any]:
        return {"epoch": EPOCH, "seq": len(self.log), "snapshot": self.snapshot() if after is None else None}

    async def _command(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        """Read a client's frame; what is no text comes as {"opcode": …, "payload": …}."""
        opcode, size = await reader.readexactly(2)
        size &= 0x7F
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        mask = await reader.readexactly(4)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size)))
        if opcode & 0x0F != 1:
            return {"opcode": opcode & 0x0F, "payload": payload}
        command: dict[str, Any] = json.loads(payload)
        return command
