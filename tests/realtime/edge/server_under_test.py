"""A process with the node's server and a small application that misbehaves on demand. Run by test_server.py.

Prints its port when it listens. `/state` tells what goes on inside, `/release` lets those go on who wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from realtime.edge.certificates import Certificate
from realtime.edge.handoff import EXEMPT, WIRE, ZERO_COPY
from realtime.edge.http import WebRequest
from realtime.edge.repeats import Repeatable
from realtime.edge.server import Server
from realtime.events import frame, http_chunk
from realtime.node.connections import Closing

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ServerUnderTest(Server):
    """What the tests shorten is seconds that they would wait."""

    request_seconds = float(os.environ.get("REQUEST_SECONDS", "10"))
    idle_seconds = float(os.environ.get("IDLE_SECONDS", "60"))
    renew_seconds = float(os.environ.get("RENEW_SECONDS", "10"))
    finish_seconds = float(os.environ.get("FINISH_SECONDS", "0.5"))
    stall_seconds = float(os.environ.get("STALL_SECONDS", "10"))
    heartbeat_seconds = float(os.environ.get("HEARTBEAT_SECONDS", "15"))
    trusted_proxies = int(os.environ.get("PROXIES", "0"))
    connects_per_address = int(os.environ.get("CONNECTS", "0")) or None
    idle_per_address = int(os.environ.get("IDLE", "0")) or None
    young_seconds = 0.1
    crowded_at = int(os.environ.get("CROWDED_AT", "1000"))

    def rest(self) -> None:
        super().rest()
        self.rests = getattr(self, "rests", 0) + 1

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        print(port.getHost().port, flush=True)

    def listen_error(self, failure: Any) -> None:
        sys.exit(str(failure))


class Stream:
    """An open stream, in the application's hands."""

    def __init__(self) -> None:
        self.wire: Any = None
        self.ended = asyncio.Event()

    def received(self, message: str | bytes) -> None: ...

    def input_ended(self, goodbye: Callable[[], None]) -> None:
        goodbye()

    def filled(self) -> None: ...

    def gone(self) -> None:
        self.ended.set()


class Application:
    """`streams` are the streams that are open; `ended` counts applications that ran to their end, whatever it was."""

    def __init__(self) -> None:
        self.server: Any = None
        self.streams: list[Stream] = []
        self.began = self.ended = self.taken = 0
        self.gate = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.began += 1
        name = scope["path"].strip("/").replace("-", "_")
        try:
            await getattr(self, f"{scope['type']}_{name}")(scope, receive, send)
        finally:
            self.ended += 1

    # HTTP

    async def http_(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message["body"])
            more = message["more_body"]
        seen = {name: scope[name] for name in ("method", "root_path", "client", "scheme", "http_version")}
        headers = [[name.decode("latin1"), value.decode("latin1")] for name, value in scope["headers"]]
        await _answer(send, {**seen, "body_bytes": size, "headers": headers})

    async def http_status(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await _answer(send, {}, status=int(scope["query_string"]))

    async def http_fail(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        raise RuntimeError("the application failed before its answer")

    async def http_fail_late(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await _start_stream(send)
        raise RuntimeError("the application failed after its answer began")

    async def http_exempt(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        scope["extensions"][EXEMPT]()
        await _answer(send, {})

    async def http_page(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """A page of the size that is asked for."""
        size = int(scope["query_string"])
        headers = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * size})

    async def http_file(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """This file, or the part of it that is asked for."""
        assert ZERO_COPY in scope["extensions"]
        start, _, count = scope["query_string"].partition(b"+")
        with open(__file__, "rb") as file:  # noqa: ASYNC230
            rest = os.fstat(file.fileno()).st_size - int(start)
            headers = [(b"content-length", b"%d" % (int(count) if count else rest))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            part = {"count": int(count)} if count else {}
            await send({"type": ZERO_COPY, "file": file, "offset": int(start), **part})

    async def http_segment(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """How often the application was asked, as a file that everybody gets for so many seconds. Or it has gone."""
        if any(name == b"x-gone" for name, _ in scope["headers"]):
            await _answer(send, {}, status=404)
            return
        with tempfile.TemporaryFile() as file:
            file.write(b"%9d" % self.began)
            file.flush()
            seconds, _, varies = scope["query_string"].partition(b"+")
            headers = [(b"content-length", b"9"), *([(b"vary", b"Accept-Encoding")] if varies else ())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            repeat = Repeatable(time.monotonic() + float(seconds), lambda: None)
            await send({"type": ZERO_COPY, "file": file, "offset": 0, "count": 9, "repeat": repeat})

    async def http_huge_file(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        with tempfile.TemporaryFile() as file:
            file.truncate(1 << 30)
            headers = [(b"content-length", b"%d" % (1 << 30))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": ZERO_COPY, "file": file})

    async def http_stream(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await self._hold(scope, STREAM)

    async def http_events(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The same as the application of a node begins it: by any protocol."""
        await receive()
        stream = Stream()
        stream.wire = scope["extensions"][WIRE](stream)
        stream.wire.open([(b"content-type", b"text/event-stream")], b": welcome\n\n")
        self.streams.append(stream)
        await stream.ended.wait()
        self.streams.remove(stream)

    async def http_say(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Write an event of so many bytes to all streams."""
        made = frame("comment", {"body": "x" * int(scope["query_string"])})
        for stream in self.streams:
            stream.wire.write([made])
        await _answer(send, {})

    async def http_state(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        sockets = list(self.server.sockets)
        wires = [stream.wire for stream in self.streams]
        plain = [socket.listener for socket in sockets if isinstance(socket.listener, WebRequest)]
        state = {
            "connections": len(self.server.connections) - 1,
            "streams": len(self.streams),
            "rests": getattr(self.server, "rests", 0),
            "pending": max((reader.pending_bytes() for reader in self.server.bound), default=0),
            "http2_waiting": max((each.waiting_bytes() for each in self.server.http2), default=0),
            "running": self.began - self.ended - 1,
            "taken": self.taken,
            "waiting": sum(request.application_queue.qsize() for request in plain),
            "paused": any(not request.socket.is_reading for request in plain),
            "user_timeouts_ms": [_user_timeout_ms(each.descriptor) for each in wires if hasattr(each, "descriptor")],
        }
        await _answer(send, state)

    async def http_hesitate_then_stream(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await self._pass_gate()
        scope["extensions"][WIRE](Stream())

    async def http_release(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.gate.set()
        await _answer(send, {})

    # WebSocket

    async def websocket_(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await self._hold(scope)

    async def websocket_echo(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    async def websocket_busy(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await self.gate.wait()
        while (await receive())["type"] != "websocket.disconnect":
            self.taken += 1

    async def websocket_hesitate(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await self.gate.wait()

    async def websocket_hesitate_then_stream(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await self._pass_gate()
        await send({"type": "websocket.accept"})
        scope["extensions"][WIRE](Stream())

    async def websocket_reject(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    async def websocket_fail(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise RuntimeError("the application failed after the handshake")

    async def _pass_gate(self) -> None:
        await self.gate.wait()
        self.gate.clear()

    async def _hold(self, scope: dict[str, Any], first: bytes = b"") -> None:
        stream = Stream()
        stream.wire = scope["extensions"][WIRE](stream)
        if first:
            stream.wire.put(first)
        self.streams.append(stream)
        try:
            await stream.ended.wait()
        finally:
            self.streams.remove(stream)

    # The end

    async def drain(self) -> None:
        goodbye = frame("drain", {"retry_ms": 1000})
        for stream in list(self.streams):
            stream.wire.write([goodbye])
            stream.wire.close(Closing.DRAIN)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + http_chunk(
    b": welcome\n\n"
)


def _user_timeout_ms(descriptor: int) -> int:
    with contextlib.closing(socket.socket(fileno=os.dup(descriptor))) as copy:
        return copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


async def _answer(send: Send, data: object, *, status: int = 200) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(data).encode()})


async def _start_stream(send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b": welcome\n\n", "more_body": True})


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    application = Application()
    ServerUnderTest.on_drain = staticmethod(application.drain)
    endpoints = [os.environ.get("ENDPOINT", "tcp:port=0:interface=127.0.0.1")]
    if "CERTIFICATE" in os.environ:
        certificate = Certificate(Path(os.environ["CERTIFICATE"]), Path(os.environ["KEY"]))
        ServerUnderTest.certificates = dict.fromkeys(endpoints, certificate)
    application.server = ServerUnderTest(application=application, endpoints=endpoints)
    application.server.run()
    print("ended", application.began - application.ended, flush=True)


if __name__ == "__main__":
    main()
