"""Viewers for tests: an event stream and a WebSocket, each checking what the site promises while it reads.

Nothing lost, nothing doubled, nothing out of order: `problems` says where a viewer saw otherwise. A viewer reconnects
only when the test says so, and then resumes where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from realtime.edge import devices
from realtime.events import HEARTBEAT

HANG_SECONDS = 120.0
"""Nothing is expected to take that long: who waits longer waits in vain, and the test says what for."""
DURABLE = frozenset(("comment", "comment_edited", "comment_deleted", "comment_pinned", "comment_unpinned", "video"))
EVENT_MAX_BYTES = 4 * 1024 * 1024

W = TypeVar("W", bound="Watcher")


class Refused(Exception):
    """The stream was not opened: the site's status and answer."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body[:200]!r}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Seen:
    """One event as a viewer read it. `id` is that of the event stream; a WebSocket has none."""

    name: str
    data: dict[str, Any]
    id: str = ""
    seconds: float = 0.0
    """When, by the monotonic clock."""


def of_browser(device: str) -> dict[str, str]:
    """Return the headers of a browser that a page has given this device."""
    return {"Cookie": f"theme=dark; {devices.COOKIE}={devices.signed(device)}"}


class Watcher(ABC):
    """One viewer of one topic. `url` is the node it watches. Without `headers` each is a browser of its own."""

    def __init__(self, url: str, topic: str, *, query: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.topic = topic
        self.query = query
        self.headers = of_browser(secrets.token_urlsafe(16)) if headers is None else headers
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        self.hellos = 0
        self.connection = ""
        """What the site calls it, since the last hello."""
        self.resets: list[str] = []
        """Why it was started again, each time."""
        self.epoch = ""
        self.seq = -1
        self.comments: list[str] = []
        """The texts of all comments, in the order in which they were shown. A reset starts them again."""
        self.likes: dict[str, Any] = {}
        self.viewers: dict[str, Any] = {}
        self.is_open = False
        self.close_code: int | None = None
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def open(self, url: str | None = None) -> None:
        """Connect and return with the hello read; a second time resume after the last event seen.

        Raises Refused, OSError.
        """
        assert not self.is_open, "open already"
        self.url = url or self.url
        await self._connect()
        self.is_open, self.close_code = True, None
        before = self.hellos
        self._reading = asyncio.create_task(self._read(), name=f"read {self.topic}")
        await self.wait_for(lambda: self.hellos > before or not self.is_open, "a hello")
        assert self.is_open, f"closed before the hello (code {self.close_code}, {self.names})"

    async def close(self) -> None:
        """Leave, as a browser that is closed."""
        await self._disconnect()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None
        self.is_open = False

    async def wait_for(self, holds: Callable[[], bool], what: str) -> None:
        """Return when it holds; it is asked again after each event. Raises AssertionError if it never does."""
        deadline = time.monotonic() + HANG_SECONDS
        while not holds():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)
            assert time.monotonic() < deadline, f"{self} waited in vain for {what}; {self.trouble()}"

    async def sees_comment(self, text: str) -> None:
        await self.wait_for(lambda: text in self.comments, f"the comment {text!r}")

    async def sees_likes(self, total: int) -> None:
        await self.wait_for(lambda: self.likes["total"] == total, f"{total} likes")

    async def sees_viewers(self, count: int) -> None:
        await self.wait_for(lambda: self.viewers["count"] == count, f"{count} viewers")

    async def is_closed(self) -> None:
        await self.wait_for(lambda: not self.is_open, "its end")

    @property
    def names(self) -> list[str]:
        return [seen.name for seen in self.seen]

    def named(self, name: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.name == name]

    def trouble(self) -> str:
        """Return what a failed test should tell of this viewer."""
        last = [(seen.name, seen.data.get("seq")) for seen in self.seen[-12:]]
        state = f"seq {self.seq}, likes {self.likes.get('total')}, viewers {self.viewers.get('count')}"
        line = "open" if self.is_open else f"closed ({self.close_code})"
        return f"{line}, {self.hellos} hellos, resets {self.resets}, {state}, problems {self.problems}, last {last}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({urlsplit(self.url).netloc})"

    @property
    def position(self) -> str:
        """How far it has followed its topic, as the site writes it; "" before the first hello."""
        return f"{self.topic}@{self.epoch}.{self.seq}" if self.seq >= 0 else ""

    # The promise

    def _take(self, seen: Seen) -> None:
        self.seen.append(seen)
        if seen.data.get("topic", self.topic) == self.topic:
            self._take_own(seen)
        self._changed.set()

    def _take_own(self, seen: Seen) -> None:
        match seen.name:
            case "hello":
                self.connection = seen.data["connection"]
                self._hello(seen.data["topics"][self.topic])
            case "reset":
                self.resets.append(f"{seen.data['reason']}: {self.seq} to {seen.data['seq']}")
                self._show(seen.data)
            case "likes":
                self.likes = {"total": seen.data["total"], "kinds": seen.data["kinds"]}
            case "viewers":
                self.viewers = {"count": seen.data["count"], "peak": seen.data["peak"]}
            case name if name in DURABLE:
                self._durable(seen)

    def _hello(self, opening: dict[str, Any]) -> None:
        self.hellos += 1
        self.epoch = self.epoch or opening["epoch"]
        if opening["snapshot"] is not None:
            if self.seq >= 0:
                self.problems.append(f"came back at {self.seq} and was started again at {opening['seq']}")
            self._show(opening)

    def _show(self, opening: dict[str, Any]) -> None:
        self.epoch, self.seq, snapshot = opening["epoch"], opening["seq"], opening["snapshot"]
        if "comments" in snapshot:  # else the topic is no video
            self.comments = [comment["body"] for comment in snapshot["comments"]]
            self.likes, self.viewers = snapshot["likes"], snapshot["viewers"]

    def _durable(self, seen: Seen) -> None:
        seq = seen.data["seq"]
        if seq <= self.seq:
            self.problems.append(f"{seen.name} {seq} doubled or late, after {self.seq}")
        elif seq > self.seq + 1:
            self.problems.append(f"{self.seq + 1} to {seq - 1} lost")
        self.seq = max(self.seq, seq)
        if seen.id and seen.id != self.position:
            self.problems.append(f"{seen.name} {seq} has the id {seen.id}")
        if seen.name == "comment":
            self.comments.append(seen.data["comment"]["body"])

    async def _read(self) -> None:
        try:
            await self._receive()
        finally:
            self.is_open = False
            self._changed.set()

    @abstractmethod
    async def _connect(self) -> None: ...

    @abstractmethod
    async def _receive(self) -> None:
        """Take events until the other side ends."""

    @abstractmethod
    async def _disconnect(self) -> None: ...


class SseWatcher(Watcher):
    """A viewer by `GET /events`. Reads HTTP/1.1 chunks by hand: a client library would hide how a stream ends."""

    ended_in_order = False
    """The server has said that nothing follows, rather than cutting the line."""

    async def _connect(self) -> None:
        parts = urlsplit(self.url)
        self._reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port, limit=EVENT_MAX_BYTES)
        lines = [
            f"GET /events?topic={quote(self.topic)}{self.query} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Accept: text/event-stream, application/json",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *([f"Last-Event-ID: {self.position}"] if self.position else []),
        ]
        self._writer.write("\r\n".join((*lines, "", "")).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        is_chunked = b"transfer-encoding: chunked" in head  # a whole answer is a proxy's, which has no node: come again
        if status != 200 or b"content-type: text/event-stream" not in head or not is_chunked:
            body = await self._chunk() if is_chunked else b""
            self._writer.close()
            raise Refused(status, body or b"")

    async def _chunk(self) -> bytes | None:
        size = int((await self._reader.readuntil(b"\r\n"))[:-2], 16)
        data = await self._reader.readexactly(size)
        await self._reader.readexactly(2)
        return data if size else None

    async def _receive(self) -> None:
        self.ended_in_order = False
        text = b""
        try:
            while (data := await self._chunk()) is not None:
                *blocks, text = (text + data).split(b"\n\n")
                for block in blocks:
                    self._block(block.decode())
            self.ended_in_order = not text.replace(HEARTBEAT, b"")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.transport.abort()

    def _block(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert "data" in fields, "some clients make an empty message of a block without data"
        self._take(Seen(fields["event"], json.loads(fields["data"]), fields.get("id", ""), time.monotonic()))

    async def _disconnect(self) -> None:
        if self.is_open:
            self._writer.transport.abort()


class WebSocketWatcher(Watcher):
    """A viewer by `/ws`."""

    _socket: ClientConnection

    async def _connect(self) -> None:
        after = f"&after={quote(self.position)}" if self.position else ""
        self._socket = await connect(
            f"ws://{urlsplit(self.url).netloc}/ws?topic={quote(self.topic)}{after}{self.query}",
            subprotocols=[Subprotocol("live.v1.json")],
            max_size=EVENT_MAX_BYTES,
            additional_headers=self.headers,
            open_timeout=HANG_SECONDS,
            ping_interval=None,
            compression=None,
            proxy=None,
        )

    async def send(self, message: object) -> None:
        """Send a command, or whatever else it is."""
        await self._socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def _receive(self) -> None:
        try:
            async for text in self._socket:
                message = json.loads(text)
                name = message.get("event") or ("error" if "error" in message else "ack")
                self._take(Seen(name, message.get("data", message), seconds=time.monotonic()))
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self._socket.close_code

    async def _disconnect(self) -> None:
        if self.is_open:
            await self._socket.close()


@contextlib.asynccontextmanager
async def watching(*watchers: W) -> AsyncIterator[Sequence[W]]:
    """Have viewers for the length of the block, all of them open."""
    try:
        await asyncio.gather(*(watcher.open() for watcher in watchers))
        yield watchers
    finally:
        await asyncio.gather(*(watcher.close() for watcher in watchers))


def crowd(
    urls: Sequence[str], topic: str, count: int, *, query: str = "", headers: Mapping[str, str] | None = None
) -> list[Watcher]:
    """Make viewers, spread over the nodes; every second of a node's by WebSocket."""
    kinds = (SseWatcher, WebSocketWatcher)
    nodes = len(urls)
    return [
        kinds[number // nodes % 2](urls[number % nodes], topic, query=query, headers=headers) for number in range(count)
    ]


def check(watchers: Sequence[Watcher], *, reconnected: bool = False) -> None:
    """Fail unless every viewer has seen all up to the same place, once and in order, without being started again."""
    wrong = [
        f"{watcher}: {watcher.trouble()}"
        for watcher in watchers
        if watcher.problems or watcher.resets or (watcher.hellos != 1 and not reconnected) or not watcher.is_open
    ]
    assert not wrong, "\n".join(wrong)
    assert len({watcher.seq for watcher in watchers}) <= 1, [watcher.seq for watcher in watchers]
    assert len({tuple(watcher.comments) for watcher in watchers}) <= 1, [watcher.comments for watcher in watchers]


async def each(watchers: Sequence[W], act: Callable[[W], Awaitable[None]]) -> None:
    """Have all viewers do, or wait for, the same."""
    await asyncio.gather(*(act(watcher) for watcher in watchers))


async def eventually(holds: Callable[[], Awaitable[bool] | bool], what: str) -> None:
    """Return when it holds, asked again and again. Raises AssertionError if it never does."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        answer = holds()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.05)
