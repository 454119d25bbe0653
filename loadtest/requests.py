"""Likes and comments: HTTP requests over a few kept-alive connections, or commands over WebSockets, on a schedule.

Called by `run`. A request goes out when its time has come, even if earlier requests have no answer. So a slow site
cannot slow the load down and look better for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from loadtest.machine import Address
from loadtest.secure import options_of
from loadtest.wire import Broken, Chunks, RawRequest, ResponseHead, WebSocketReader, parse_head
from realtime.websocket import client_frame

IN_FLIGHT_MAX = 500
"""Unanswered requests of one kind. A site that needs 5 s for each request still gets 100 a second on time."""
ANSWER_SECONDS = 10.0
PERSISTENCE_SECONDS = 30.0
"""For how long to repeat a request that was refused or cut off. To repeat one of ours does no harm."""


STATUS_OF_ERROR = {"too_often": 429, "unavailable": 503}
"""Errors of commands that a repetition may mend, as HTTP would say them."""
OPENING_MAX = 64


@dataclass(frozen=True, slots=True)
class SocketCommand:
    """What a viewer says over its WebSocket, without `ref`."""

    speaker: int
    data: dict[str, Any]


class RequestRefused(Exception):
    """The site did not do what was asked, although it was asked again. The message says what it answered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; `sent_tick` is when its request went out for the first time."""

    status: int
    body: bytes
    retry_seconds: float = 0.0
    sent_tick: int = 0

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body. Raises RequestRefused when it is none."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise RequestRefused(f"HTTP {self.status} without a JSON object")
        return value


class Exchange(asyncio.Protocol):
    """A kept-alive connection with at most one request on its way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.usable = False
        self._answer: asyncio.Future[Reply] | None = None
        self._kept = b""
        self._head: ResponseHead | None = None
        self._chunks: Chunks | None = None
        self._body: list[bytes] = []
        self._missing: int | None = None  # bytes of the body still to come; None: until the end of the chunks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.usable = True

    def send(self, request: bytes) -> asyncio.Future[Reply]:
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        try:
            if self._head is None:
                data = self._take_head(data)
            if self._head is not None:
                self._take_body(self._head, data)
        except Broken as error:
            self.close(error)

    def _take_head(self, data: bytes) -> bytes:
        self._kept += data
        parsed = parse_head(self._kept)
        if parsed is None:
            return b""
        self._kept = b""
        self._head, rest = parsed
        self._body = []
        self._chunks = Chunks() if self._head.chunked else None
        bodiless = self._head.status in (204, 304)
        self._missing = None if self._chunks else 0 if bodiless else int(self._head.headers.get("content-length", "0"))
        return rest

    def _take_body(self, head: ResponseHead, data: bytes) -> None:
        if self._chunks is not None:
            self._body.append(self._chunks.feed(data))
            done = self._chunks.ended
        else:
            assert self._missing is not None
            self._body.append(data)
            self._missing -= len(data)
            done = self._missing <= 0
        if done:
            self._head = None
            if head.headers.get("connection", "").lower() == "close":
                self.usable = False
            retry = head.headers.get("retry-after", "")
            answer = Reply(head.status, b"".join(self._body), float(retry) if retry.isdigit() else 0.0)
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the site closed the connection"))

    def close(self, error: Exception | None = None) -> None:
        self.usable = False
        if error is not None and self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self.transport is not None:
            self.transport.abort()


class _ActingSocket(asyncio.Protocol):
    """A viewer's WebSocket for likes and comments. Many commands may be under way, each known by its `ref`."""

    def __init__(self, handshake: bytes) -> None:
        self._handshake = handshake
        self._kept: bytes | None = b""  # of the head; None: it is read
        self._stream = WebSocketReader()
        self._answers: dict[int, asyncio.Future[Reply]] = {}
        self._refs = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._handshake)

    def send(self, command: dict[str, Any]) -> asyncio.Future[Reply]:
        self._refs += 1
        answer = self._answers[self._refs] = asyncio.get_running_loop().create_future()
        self._transport.write(client_frame(orjson.dumps({**command, "ref": self._refs})))
        return answer

    def data_received(self, data: bytes) -> None:
        try:
            if self._kept is not None:
                data = self._take_head(self._kept + data)
            for block in self._stream.feed(data) if data else ():
                self._take(block)
        except (Broken, orjson.JSONDecodeError) as error:
            self.close(Broken(str(error)))
        if replies := self._stream.take_replies():
            self._transport.write(replies)
        if self._stream.ended:
            self.close(ConnectionResetError(f"closed with {self._stream.close_code}"))

    def _take_head(self, data: bytes) -> bytes:
        self._kept = data
        if (parsed := parse_head(data)) is None:
            return b""
        head, rest = parsed
        if head.status != 101:
            raise Broken(f"HTTP {head.status}")
        self._kept = None
        self.opened.set_result(None)
        return rest

    def _take(self, block: bytes) -> None:
        message = orjson.loads(block)
        error = message.get("error")
        ref = message.get("ref") if error else message.get("ack")
        if (answer := self._answers.pop(ref, None)) is not None and not answer.done():
            answer.set_result(Reply(STATUS_OF_ERROR.get(error["code"], 422) if error else 200, block))

    def connection_lost(self, error: Exception | None) -> None:
        self.close(ConnectionResetError("the site closed the connection"))

    def close(self, error: Exception) -> None:
        self.usable = False
        if not self.opened.done():
            self.opened.set_exception(error)
            self.opened.exception()  # perhaps nobody waits for it any more
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
        self._answers.clear()
        self._transport.abort()


class Client:
    """Sends requests to the site's addresses in turn, each over a connection that is idle or new.

    Commands go over the speaker's own WebSocket; `introduce` says how its handshake looks.
    `unanswered` holds when each request on its way was first sent, oldest first (ticks).
    """

    def __init__(
        self, addresses: Sequence[Address], *, introduce: Callable[[int, Address], RawRequest] | None = None
    ) -> None:
        self._addresses = addresses
        self._introduce = introduce
        self._sockets: dict[int, _ActingSocket] = {}
        self._opening: dict[int, asyncio.Lock] = {}
        self._idle: dict[Address, list[Exchange]] = {address: [] for address in addresses}
        self._turn = 0
        self.unanswered: dict[object, int] = {}
        self.repeated: Counter[str] = Counter()

    async def open(self, speakers: Sequence[int]) -> None:
        """Open the WebSockets of these viewers now. Those of others open with their first command."""
        slots = asyncio.Semaphore(OPENING_MAX)

        async def open_one(speaker: int) -> None:
            async with slots:
                # What goes wrong here goes wrong again when the speaker acts, and is reported then.
                with contextlib.suppress(OSError, TimeoutError, Broken):
                    await self._socket(speaker)

        await asyncio.gather(*map(open_one, speakers))

    async def ask(self, request: RawRequest | SocketCommand) -> Reply:
        """Send the request, again if it was cut off or refused for a while; return the 2xx answer.

        Raises RequestRefused.
        """
        token = object()
        started = time.monotonic()
        attempts = 0
        try:
            while True:
                try:
                    answer = await self._exchange(request, token)
                    if 200 <= answer.status < 300:
                        return replace(answer, sent_tick=self.unanswered[token])
                    trouble = f"HTTP {answer.status}"
                    if answer.status not in (429, 500, 502, 503, 504):
                        raise RequestRefused(f"{_name(request)}: {trouble} {answer.body[:200]!r}")
                    pause = answer.retry_seconds
                except (OSError, TimeoutError, Broken) as error:
                    trouble, pause = str(error) or type(error).__name__, 0.0
                attempts += 1
                self.repeated[trouble] += 1
                if time.monotonic() - started > PERSISTENCE_SECONDS:
                    raise RequestRefused(f"{_name(request)}: {trouble}, {attempts} times")
                await asyncio.sleep(max(pause, random.uniform(0.05, 0.2) * min(2**attempts, 16)))
        finally:
            self.unanswered.pop(token, None)

    async def _exchange(self, request: RawRequest | SocketCommand, token: object) -> Reply:
        if isinstance(request, SocketCommand):
            acting = await self._socket(request.speaker)
            self.unanswered.setdefault(token, now_tick())
            async with asyncio.timeout(ANSWER_SECONDS):
                return await acting.send(request.data)
        address = self._addresses[self._turn % len(self._addresses)]
        self._turn += 1
        exchange = await self._connection(address)
        self.unanswered.setdefault(token, now_tick())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await exchange.send(request.encode(address.host_header))
        except BaseException:
            exchange.close()
            raise
        if exchange.usable:
            self._idle[address].append(exchange)
        else:
            exchange.close()
        return answer

    async def _socket(self, speaker: int) -> _ActingSocket:
        """Return the speaker's WebSocket, opened if need be."""
        assert self._introduce is not None
        if (acting := self._sockets.get(speaker)) is not None and acting.usable:
            return acting
        async with self._opening.setdefault(speaker, asyncio.Lock()):
            if (acting := self._sockets.get(speaker)) is not None and acting.usable:
                return acting
            address = self._addresses[speaker % len(self._addresses)]
            handshake = self._introduce(speaker, address).encode(address.host_header)
            async with asyncio.timeout(ANSWER_SECONDS):
                _, acting = await asyncio.get_running_loop().create_connection(
                    lambda: _ActingSocket(handshake),
                    address.socket_address[0],
                    address.port,
                    family=address.family,
                    **options_of(address),
                )
                try:
                    await acting.opened
                except BaseException:
                    acting.close(ConnectionAbortedError("never opened"))
                    raise
            self._sockets[speaker] = acting
            return acting

    async def _connection(self, address: Address) -> Exchange:
        idle = self._idle[address]
        while idle:
            exchange = idle.pop()
            if exchange.usable:
                return exchange
        return await connect(address)

    def unanswered_since(self) -> int | None:
        """Return the tick at which the oldest request without an answer was sent."""
        return min(self.unanswered.values(), default=None)

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        for acting in self._sockets.values():
            acting.close(ConnectionAbortedError("the load test is over"))
        self._sockets.clear()


async def connect(address: Address) -> Exchange:
    """Return a new connection. Raises OSError, TimeoutError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        _, exchange = await asyncio.get_running_loop().create_connection(
            Exchange, address.socket_address[0], address.port, family=address.family, **options_of(address)
        )
    return exchange


def _name(request: RawRequest | SocketCommand) -> str:
    return str(request.data["op"]) if isinstance(request, SocketCommand) else f"{request.method} {request.path}"


@dataclass(slots=True)
class Pace:
    """A schedule: `rate` requests a second for `seconds`. Each has its own moment, however late earlier ones were."""

    rate: float
    seconds: float
    sent: int = 0
    behind_seconds: float = 0.0  # the most that a request went out late
    refused: Counter[str] = field(default_factory=Counter)

    async def run(
        self,
        send: Callable[[int], Awaitable[None]],
        *,
        admit: Callable[[int], Awaitable[bool]] | None = None,
    ) -> None:
        """Call `send(0)`, `send(1)`, … on time, then wait for all of them. `send` raises RequestRefused.

        `admit(number)` may hold a request back. If it returns False, no more requests are sent.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        async with asyncio.TaskGroup() as group:
            for number in range(round(self.rate * self.seconds)):
                due = start + number / self.rate
                # Also when late: the answers and the viewers must get their turn.
                await asyncio.sleep(max(0.0, due - loop.time()))
                await slots.acquire()
                if admit is not None and not await admit(number):
                    return
                self.behind_seconds = max(self.behind_seconds, loop.time() - due)
                self.sent += 1
                group.create_task(self._send(send, number, slots))

    async def _send(self, send: Callable[[int], Awaitable[None]], number: int, slots: asyncio.Semaphore) -> None:
        try:
            await send(number)
        except RequestRefused as refused:
            self.refused[str(refused)] += 1
        finally:
            slots.release()


def now_tick() -> int:
    """Return the monotonic clock in tenths of a millisecond."""
    return time.monotonic_ns() // 100_000
