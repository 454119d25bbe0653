"""The Channels consumers: a viewer's SSE stream (`/events`) and WebSocket (`/ws`), from handshake to goodbye.

Hop: they open a connection and hand it to the node; frames never pass through here. On our server
(realtime.edge.server) the consumer ends with the handshake and leaves a `Session`, a fraction of its size, that hears
of commands and of the end. On any other ASGI server, and behind TLS and HTTP/2, it stays and passes on what comes
(`AsgiWire`). It owns no channel of the layer (one a node is enough) and touches no database after the handshake.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from realtime import metrics
from realtime.edge import devices, origins, tickets
from realtime.edge.bound import STALL_MAX_SECONDS, WAITING_MAX_BYTES, cut
from realtime.edge.cookies import cookie
from realtime.edge.handoff import BEHIND, EXEMPT, WIRE, PeerGone
from realtime.edge.sockets import StreamSocket
from realtime.events import (
    HEARTBEAT,
    UNKNOWN,
    ConnectionId,
    Frame,
    Position,
    TopicName,
    frame,
    http_chunk,
    parse_event_id,
    parse_event_ids,
    position_in,
    topic_name,
)
from realtime.identity import ANONYMOUS, Identity
from realtime.limits import CONNECTIONS_MAX, Limited, Network, NetworkFull, RateLimit, even_out, network_of
from realtime.log.store import StoreUnavailable, TopicGone
from realtime.node.connections import Closing, Connection, Wire
from realtime.node.node import OPENING_MAX_BYTES, RETRY_MS, RIGHTS_SECONDS, TOPICS_MAX, Node, Opening
from realtime.node.process import key_of, process
from realtime.node.samples import entries_of
from realtime.registry import CommandError, registry
from realtime.table.counting import UNCOUNTED, ViewerKey

logger = logging.getLogger(__name__)

SUBPROTOCOL = "live.v1.json"
ERRORS_MAX = 10
NO_NONSENSE = ("too_often", "unavailable", "not_found")  # answers that one gets without a mistake
COMMAND_BYTES = 16 * 1024  # sent for a command count as one command more
WAITING_MAX = 64  # commands that wait for the one before; then their sender has to
CLOSINGS = {401: Closing.EXPIRED, 404: Closing.GONE, 422: Closing.INVALID, 429: Closing.TOO_OFTEN}
POLL_MAX_SECONDS = 30  # how long a stream may be asked to last
APART = ("embed", "dock")  # what watches without being a viewer: a player on another site, a moderator's tool
# What an HTTP server adds. The connection ends with the stream: nobody reads another request from it.
STREAM_HEADERS = ((b"transfer-encoding", b"chunked"), (b"connection", b"close"))

Scope = dict[str, Any]
Seat = tuple[Network, str]  # what a connection is counted by in the limits
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Refusal(Exception):
    """A connection that is not opened: an HTTP status, a code and a sentence."""

    def __init__(self, status: int, code: str, detail: str, *, retry_seconds: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_seconds = retry_seconds

    def told(self) -> dict[str, Any]:
        """Return the event `refused`. When to come back is drawn, so that those refused at once do not come at once."""
        retry_ms = round(self.retry_seconds * 1000 * random.uniform(1, 2))
        return {"code": self.code, "detail": self.detail, "retry_ms": retry_ms}


@dataclass(slots=True)
class Request:
    """What a connection asks for, read from its handshake."""

    headers: dict[bytes, bytes]
    topics: list[TopicName]
    positions: dict[TopicName, Position]
    ticket: str
    is_foreign: bool
    network: Network
    is_counted: bool = True
    has_ids_of_all: bool = True
    seconds: int | None = None  # after which the stream ends by itself: a poll

    @classmethod
    def parse(cls, scope: Scope) -> Request:
        """Raises Refusal."""
        headers = dict(reversed(scope["headers"]))  # of a header that came twice the first counts
        try:
            query = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=200)
        except ValueError as error:
            raise Refusal(422, "invalid", "The query is not readable.") from error
        topics = _topics(value for name, value in query if name == "topic")
        positions: dict[TopicName, Position] = {}
        for value in (value for name, value in query if name == "after"):
            position = parse_event_id(value)
            if position is None:
                raise Refusal(422, "invalid", "after looks like video:<id>@<epoch>.<seq>.")
            positions[position[0]] = position[1]
        if (last := headers.get(b"last-event-id")) is not None:
            # The browser's own, not the page's: what it holds is answered with a fresh state, not with an error.
            named = parse_event_ids(last.decode("latin1"))
            if named.keys() & set(topics):
                positions |= named
            else:
                positions = {topic: positions.get(topic, UNKNOWN) for topic in topics}
        apart = [value for name, value in query if name == "as"]
        if not set(apart) <= set(APART) or len(apart) > 1:
            raise Refusal(422, "invalid", f"as is one of {', '.join(APART)}.")
        ids = [value for name, value in query if name == "ids"]
        if ids not in ([], ["each"]):
            raise Refusal(422, "invalid", "ids is each, or not there.")
        ticket = next((value for name, value in query if name == "ticket"), "")
        client = scope.get("client") or ("", 0)
        is_foreign = origins.page(scope, settings.LIVE_ORIGINS) is origins.Page.FOREIGN
        return cls(
            headers,
            topics,
            positions,
            ticket,
            is_foreign,
            network_of(client[0]),
            is_counted=not apart,
            has_ids_of_all=not ids,
            seconds=_seconds([value for name, value in query if name == "seconds"]),
        )

    @property
    def credentials(self) -> dict[bytes, bytes]:
        """The headers that say who asks."""
        return {name: value for name in (b"cookie", b"authorization") if (value := self.headers.get(name))}

    def cookie(self, name: str) -> str:
        """Return the cookie with its name; empty without one."""
        value = cookie(self.headers, name)
        return f"{name}={value}" if value else ""

    @property
    def device(self) -> str:
        """Which browser asks; "" where we have not given it a cookie."""
        return devices.read(cookie(self.headers, devices.COOKIE))

    @property
    def person(self) -> str:
        """Who to count the connection for in the limits: the credentials themselves, which need no database."""
        session = self.cookie(settings.SESSION_COOKIE_NAME)
        return session or self.headers.get(b"authorization", b"").decode("latin1") or self.device

    def key(self, watcher: Identity, id: ConnectionId, *, is_load: bool = False) -> ViewerKey:
        """Return which viewer the connection is counted as: who it is, else which browser, else which address.

        Only what is signed counts, and no database is asked: who makes names up is one viewer with all at their
        address. A browser's connections and those of its viewer's tokens have different keys, until the browser's are
        identified (`Node.identify`). A load test's connections are a viewer each.
        """
        if not self.is_counted:
            return UNCOUNTED
        if is_load:
            return key_of(f"connection {id}")
        viewer_id = watcher.viewer_id
        if not viewer_id and b"authorization" in self.headers and registry.claim is not None:
            viewer_id = registry.claim(self.headers)
        if viewer_id:
            return key_of(f"viewer {viewer_id}")
        device = self.device
        return key_of(f"device {device}" if device else f"address {self.network}")


def _topics(values: Iterable[str]) -> list[TopicName]:
    try:
        topics = [topic_name(value) for value in values]
    except ValueError as error:
        raise Refusal(422, "invalid_topic", f"{error}.".capitalize()) from error
    if len(topics) > TOPICS_MAX:
        raise Refusal(422, "too_many_topics", f"A connection may have {TOPICS_MAX} topics at most.")
    if len(set(topics)) < len(topics):
        raise Refusal(422, "invalid_topic", "Each topic may be named once.")
    return topics


def _seconds(values: list[str]) -> int | None:
    if not values:
        return None
    [value, *others] = values
    if others or not (value.isascii() and value.isdigit() and len(value) <= 2 and int(value) <= POLL_MAX_SECONDS):
        raise Refusal(422, "invalid", f"seconds is a whole number from 0 to {POLL_MAX_SECONDS}.")
    return int(value)


class Session:
    """An open connection's place in the node and in the limits. Implements realtime.edge.sockets.Listener."""

    __slots__ = ("_seat", "connection", "node")

    connection: Connection

    def __init__(self, node: Node, seat: Seat | None) -> None:
        self.node = node
        self._seat = seat

    def received(self, message: str | bytes) -> None:
        """An event stream's viewer says nothing."""

    def said_all(self, goodbye: Callable[[], None]) -> None:
        goodbye()

    def filled(self) -> None:
        self.node.filled(self.connection)

    def end_poll(self) -> None:
        """The stream was asked to end now. The next one goes on from its positions."""
        if self.connection.id in self.node.connections:
            self.node.end_poll(self.connection)
            self.connection.wire.close(Closing.DRAIN)

    def gone(self) -> None:
        """Give the place up. A second time changes nothing."""
        self.node.remove(self.connection)
        _leave_seat(self._seat)
        self._seat = None


def _leave_seat(seat: Seat | None) -> None:
    if seat is not None:
        process.connection_limit.leave(*seat)


class Commander(Session):
    """A WebSocket's session: runs its viewer's commands, one after the other, each answered by `ack` or `error`."""

    __slots__ = ("_caused_bytes", "_errors", "_headers", "_is_paused", "_limit", "_network", "_waiting", "_working")

    def __init__(self, node: Node, seat: Seat | None, request: Request) -> None:
        super().__init__(node, seat)
        self._network = request.network
        self._headers = request.credentials
        self._errors = 0
        self._caused_bytes = 0  # sent for commands, and not yet paid for by the limit
        self._limit: RateLimit | None = None
        self._waiting: deque[str | bytes | Callable[[], None]] = deque()
        self._working: asyncio.Task[None] | None = None
        self._is_paused = False

    def received(self, message: str | bytes) -> None:
        self._waiting.append(message)
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="commands")
        elif len(self._waiting) > WAITING_MAX and not self._is_paused:
            self._is_paused = True
            self.connection.wire.pause()

    def said_all(self, goodbye: Callable[[], None]) -> None:
        self._waiting.append(goodbye)
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="commands")

    async def _work(self) -> None:
        try:
            while self._waiting:
                message = self._waiting.popleft()
                if callable(message):
                    message()
                    return
                await self.take(message)
                if self._is_paused and len(self._waiting) <= WAITING_MAX // 4:
                    self._is_paused = False
                    self.connection.wire.resume()
        except Exception:
            logger.exception("a command failed")
            self._close(Closing.FAILED)
        finally:
            self._working = None

    async def take(self, message: str | bytes) -> None:
        """Run one command and answer it."""
        if isinstance(message, bytes):
            self._close(Closing.UNSUPPORTED)
            return
        ref: object = None
        try:
            if not await self.node.has_read(self.connection):
                return
            if settings.LIVE_LIMITS:
                self._limit = self._limit or RateLimit(burst=200, per_second=50)
                cost, self._caused_bytes = divmod(self._caused_bytes, COMMAND_BYTES)
                self._limit.take("", 1 + cost)
            command = _command(message)
            ref = command.get("ref")
            await self._run(command, ref)
            self._errors = 0
        except Limited:
            self._close(Closing.TOO_OFTEN)
        except (CommandError, Refusal) as error:
            self._errors += error.code not in NO_NONSENSE
            self._answer({"error": {"code": error.code, "detail": error.detail}, "ref": ref})
            if self._errors >= ERRORS_MAX:
                self._close(Closing.NONSENSE)

    async def _run(self, command: dict[str, Any], ref: object) -> None:
        match command.pop("op"):
            case "subscribe":
                await self._subscribe(_topic(command), command.get("after"), ref)
            case "unsubscribe":
                topic = _topic(command)
                self.node.unsubscribe(self.connection, topic)
                self._answer({"ack": ref, "topic": topic})
            case "saw":
                try:
                    frames = entries_of(command.get("frames"))
                except ValueError as error:
                    raise CommandError("invalid", f"{error}.".capitalize()) from error
                self._answer({"ack": ref, "seen": self.node.samples.saw(self.connection.id, frames)})
            case str(op) if op in registry.commands:
                watcher = await self._identify()
                if not watcher.viewer_id:
                    raise CommandError(
                        "unauthenticated",
                        "Say who you are: open the WebSocket with a session, a bearer token or a ticket.",
                    )
                answer = await registry.commands[op](watcher, self._network, command)
                self._answer({"ack": ref, **answer})
            case _:
                raise CommandError("unknown_op", "There is no such command.")

    async def _subscribe(self, topic: TopicName, after: object, ref: object) -> None:
        connection = self.connection
        if len(connection.topics) >= TOPICS_MAX and topic not in connection.topics:
            raise CommandError("too_many_topics", f"A connection may have {TOPICS_MAX} topics at most.")
        try:
            position = position_in(topic, after)
        except ValueError as error:
            raise CommandError("invalid", f"{error}.") from error
        if topic in connection.topics and position is None:
            # It reads this one already: what it has not read yet is on its way.
            feed = self.node.feeds[topic]
            self._answer({"ack": ref, "topic": topic, "epoch": feed.epoch, "seq": feed.seq, "snapshot": None})
            return
        await _prepare(self.node, {topic: position}, connection.watcher, self._identify)
        if connection.id not in self.node.connections:
            return  # closed meanwhile
        try:
            opening = self.node.enter(connection, topic, after=position)
        except TopicGone as error:
            raise CommandError("unavailable", "The topic is being read again.") from error
        start = orjson.dumps({"ack": ref, "topic": opening.topic})
        self._caused_bytes += opening.size
        connection.wire.answer(start[:-1] + b"," + opening.part[1:])
        if opening.frames:
            connection.wire.write(opening.frames)

    async def _identify(self) -> Identity:
        """Return who watches; read from cookie or token once. Raises Refusal."""
        watcher = self.connection.watcher
        if watcher is ANONYMOUS and self._headers:
            watcher = await _identified(self._headers)
            self.node.identify(self.connection, watcher)
        return watcher

    def _answer(self, answer: dict[str, Any]) -> None:
        body = orjson.dumps(answer)
        self._caused_bytes += len(body)
        self.connection.wire.answer(body)

    def _close(self, why: Closing) -> None:
        self._waiting.clear()
        self.node.remove(self.connection)
        self.connection.wire.close(why)


class AsgiWire:
    """A connection through any ASGI server: implements realtime.node.connections.Wire.

    `behind` knows the server's own buffers: where it is None, they are the server's to bound.
    """

    way = -1

    def __init__(self, send: Send, *, is_sse: bool, behind: Any) -> None:
        self._is_sse = is_sse
        self._behind = behind
        self._application = asyncio.current_task()
        self._waiting: asyncio.Queue[tuple[dict[str, Any], int]] = asyncio.Queue()
        self._waiting_bytes = 0
        self._is_ending = False
        self._sending = asyncio.create_task(self._run(send), name="asgi wire")

    def begin(self, message: dict[str, Any]) -> None:
        """Send what has to come first."""
        self._waiting.put_nowait((message, 0))

    def write(self, frames: Sequence[Frame]) -> None:
        if self._is_sse:
            self.put(b"".join(made.text for made in frames))
        else:
            for made in frames:
                self.put(made.message)

    def answer(self, body: bytes) -> None:
        self.put(body)

    def ping(self) -> None:
        if self._is_sse:  # a WebSocket's server sends pings of its own
            self.put(HEARTBEAT)

    def put(self, data: bytes) -> None:
        if self._is_ending:
            return
        self._waiting_bytes += len(data)
        message: dict[str, Any] = (
            {"type": "http.response.body", "body": data, "more_body": True}
            if self._is_sse
            else {"type": "websocket.send", "text": data.decode()}
        )
        self._waiting.put_nowait((message, len(data)))
        if self.pending_bytes() > WAITING_MAX_BYTES:
            cut(self, "full")

    def keep(self, rest: bytes) -> None:
        raise AssertionError("nobody writes past this wire")

    def pause(self) -> None:
        """Its commands wait in the server: they are taken one by one."""

    def resume(self) -> None: ...

    def pending_bytes(self) -> int:
        try:
            return self._waiting_bytes + (self._behind.pending_bytes() if self._behind is not None else 0)
        except PeerGone:
            return 0

    def close(self, why: Closing) -> None:
        if not self._is_ending:
            self._is_ending = True
            last = {"type": "websocket.close", "code": why.value}
            self._waiting.put_nowait(({"type": "http.response.body", "body": b""} if self._is_sse else last, 0))

    def abort(self) -> None:
        self.stop()
        if self._behind is not None:
            self._behind.abort()
        elif self._application is not None:
            self._application.cancel()  # ASGI knows no abrupt end: this is the nearest

    def stop(self) -> None:
        """The connection has ended: nothing is sent any more."""
        self._is_ending = True
        self._sending.cancel()

    async def _run(self, send: Send) -> None:
        while True:
            message, size = await self._waiting.get()
            try:
                # A server that tells nothing of its buffers makes us wait instead.
                async with asyncio.timeout(STALL_MAX_SECONDS if self._behind is None else None):
                    await send(message)
            except TimeoutError:
                cut(self, "stalled")
                return
            except Exception as error:  # each server has its own for a peer that has gone, and will tell us so
                logger.debug("asgi wire: %s", error)
                return
            self._waiting_bytes -= size
            if self._is_ending and self._waiting.empty():
                return


async def _identified(headers: dict[bytes, bytes]) -> Identity:
    """Return on whose behalf the headers speak. Raises Refusal."""
    if registry.identify is None:
        return ANONYMOUS
    try:
        return await registry.identify(headers)
    except CommandError as error:
        raise Refusal(401, error.code, error.detail) from error
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.", retry_seconds=2) from error


async def _recognized(node: Node, watcher: Identity) -> bool:
    """Whether the viewer of a ticket would still be recognized. Raises Refusal."""
    try:
        return await node.recognizes(watcher)
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.", retry_seconds=2) from error


async def _prepare(
    node: Node,
    positions: Mapping[TopicName, Position | None],
    watcher: Identity,
    identify: Callable[[], Awaitable[Identity]],
) -> None:
    """Have the topics at hand, each from the position last seen. A public topic needs nobody's identity.

    Raises Refusal.
    """
    began = time.monotonic()
    try:
        for topic, after in positions.items():
            try:
                await node.prepare(topic, watcher, after=after)
            except TopicGone:
                watcher = await identify()
                await node.prepare(topic, watcher, after=after)
    except TopicGone as error:
        await even_out(began)
        raise Refusal(404, "not_found", "There is no such topic.") from error
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.", retry_seconds=2) from error


class _Stream:
    """What both consumers share: admission, identity, topics, and opening the connection."""

    scope: Scope
    base_send: Send
    request: Request
    watcher: Identity = ANONYMOUS
    _is_load = False
    _ticket_seconds = 0.0  # its age
    _seat: Seat | None = None
    _session: Session | None = None
    _stays = True  # until the session has the socket itself

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        self.scope = scope
        self.base_send = send
        try:
            while True:
                message = await receive()
                await getattr(self, message["type"].replace(".", "_"))(message)
        except StopConsumer:
            pass
        finally:
            if self._session is None:
                _leave_seat(self._seat)
            elif self._stays:
                self._session.gone()
                wire = self._session.connection.wire
                if isinstance(wire, AsgiWire):
                    wire.stop()

    def _admit(self) -> Node:
        """Check what can be checked without looking at a topic. Raises Refusal."""
        self.request = Request.parse(self.scope)
        node = process.node()
        if node.is_draining:
            raise Refusal(503, "draining", "This node is shutting down.", retry_seconds=1)
        if len(node.connections) >= CONNECTIONS_MAX:
            raise Refusal(503, "full", "This node is full.", retry_seconds=5)
        if self.request.ticket:
            try:
                ticket = tickets.read(self.request.ticket)
            except tickets.BadTicket as error:
                raise Refusal(401, "bad_ticket", "The ticket is not valid or has expired.") from error
            self.watcher, self._is_load, self._ticket_seconds = ticket.watcher, ticket.is_load, ticket.age_seconds
        elif self.request.is_foreign and b"cookie" in self.request.headers:
            raise Refusal(403, "foreign_origin", "Pages of another origin need a ticket.")
        if self._is_load and (exempt := self.scope.get("extensions", {}).get(EXEMPT)) is not None:
            exempt()
        if settings.LIVE_LIMITS and not self._is_load:
            try:
                seat = (self.request.network, self.request.person)
                process.connection_limit.enter(*seat)
                self._seat = seat
            except NetworkFull as full:
                raise Refusal(
                    429, "network_full", "Too many watch from your network at once.", retry_seconds=full.retry_seconds
                ) from full
            except Limited as limited:
                raise Refusal(
                    429, "too_many_connections", "You have too many streams open.", retry_seconds=limited.retry_seconds
                ) from limited
        return node

    async def _identify(self) -> Identity:
        """Return who watches; read from cookie or token once, and only where it matters. Raises Refusal."""
        if self.watcher is ANONYMOUS and (credentials := self.request.credentials):
            self.watcher = await _identified(credentials)
        return self.watcher

    async def _prepare(self, node: Node) -> None:
        """Have the topics at hand. Raises Refusal."""
        if (
            self.watcher.viewer_id
            and self._ticket_seconds > RIGHTS_SECONDS
            and not await _recognized(node, self.watcher)
        ):
            raise Refusal(401, "bad_ticket", "The ticket's viewer is banned or has a new password.")
        positions = {topic: self.request.positions.get(topic) for topic in self.request.topics}
        await _prepare(node, positions, self.watcher, self._identify)

    def _open(self, session: Session, *, is_sse: bool) -> Wire:
        """Give the session a connection, which enters the node. Nothing is written yet."""
        wire: StreamSocket | AsgiWire
        extensions = self.scope.get("extensions", {})
        if (take := extensions.get(WIRE)) is not None:
            try:
                wire = take(session)
            except PeerGone as gone:
                raise StopConsumer from gone
            self._stays = False
        else:
            wire = AsgiWire(self.base_send, is_sse=is_sse, behind=extensions.get(BEHIND))
        id = ConnectionId(secrets.token_urlsafe(12))
        key = self.request.key(self.watcher, id, is_load=self._is_load)
        session.connection = Connection(
            id, wire, is_sse=is_sse, watcher=self.watcher, key=key, has_ids_of_all=self.request.has_ids_of_all
        )
        session.node.add(session.connection)
        self._session = session
        return wire

    def _hello(self, session: Session) -> list[Frame]:
        """Enter the prepared topics, of many the first; return the first frames. Raises TopicGone.

        No await until they are written.
        """
        node, connection = session.node, session.connection
        topics, openings = deque(self.request.topics), list[Opening]()
        while topics and sum(opening.size for opening in openings) < OPENING_MAX_BYTES:
            topic = topics.popleft()
            openings.append(node.enter(connection, topic, after=self.request.positions.get(topic)))
        if topics:
            node.enter_later(connection, {topic: self.request.positions.get(topic) for topic in topics})
        return node.hello(connection, openings)


class EventStream(_Stream, AsyncHttpConsumer):  # type: ignore[misc]
    """`GET /events?topic=…`: Server-Sent Events (WHATWG HTML, section 9.2)."""

    async def http_request(self, message: dict[str, Any]) -> None:
        if message.get("more_body") or self._session is not None:
            return  # a GET's body means nothing
        try:
            await self._start()
        except Refusal as refusal:
            metrics.refused.labels(refusal.code).inc()
            await self._refuse(refusal)
            raise StopConsumer from refusal
        if not self._stays:
            raise StopConsumer

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def _start(self) -> None:
        accept = dict(self.scope["headers"]).get(b"accept", b"*/*").lower()
        if not any(kind in accept for kind in (b"text/event-stream", b"text/*", b"*/*")):
            raise Refusal(406, "not_acceptable", "This is text/event-stream.")
        node = self._admit()
        if not self.request.topics:
            raise Refusal(422, "invalid_topic", "Name at least one topic, like ?topic=video:<id>.")
        await self._prepare(node)
        if not all(node.is_open(topic, self.watcher) for topic in self.request.topics):
            raise Refusal(503, "unavailable", "The topic is being read again.", retry_seconds=1)
        session = Session(node, self._seat)
        wire = self._open(session, is_sse=True)
        frames = self._hello(session)
        headers = self._headers(b"text/event-stream; charset=utf-8")
        first = b"retry: %d\n" % RETRY_MS + b"".join(frame.text for frame in frames)
        if isinstance(wire, StreamSocket):
            lines = b"".join(b"%b: %b\r\n" % header for header in (*headers, *STREAM_HEADERS))
            wire.put(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n" + http_chunk(first))
        elif isinstance(wire, AsgiWire):
            wire.begin({"type": "http.response.start", "status": 200, "headers": headers})
            wire.put(first)
        if self.request.seconds is not None:
            asyncio.get_running_loop().call_later(self.request.seconds, session.end_poll)

    def _headers(self, content_type: bytes) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", content_type),
            (b"cache-control", b"no-store, no-transform"),
            (b"x-accel-buffering", b"no"),
            (b"x-content-type-options", b"nosniff"),
            *origins.allowance(self.scope, settings.LIVE_ORIGINS),
        ]

    async def _refuse(self, refusal: Refusal) -> None:
        is_browser = dict(self.scope["headers"]).get(b"accept") == b"text/event-stream"
        if is_browser and refusal.status in (429, 503):
            # A native EventSource never comes back after a status other than 200, nor does it show one.
            told = refusal.told()
            await self.send_headers(status=200, headers=self._headers(b"text/event-stream; charset=utf-8"))
            await self.send_body(b"retry: %d\n" % told["retry_ms"] + frame("refused", told).text)
            return
        headers = self._headers(b"application/json")
        if refusal.retry_seconds:
            headers.append((b"retry-after", b"%d" % refusal.retry_seconds))
        await self.send_headers(status=refusal.status, headers=headers)
        await self.send_body(orjson.dumps({"code": refusal.code, "detail": refusal.detail}))


class WebSocketStream(_Stream, AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws`, subprotocol `live.v1.json`: the same events, and commands."""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        try:
            node = self._admit()
            if self.request.is_foreign and not self.request.ticket:
                raise Refusal(403, "foreign_origin", "Pages of another origin need a ticket.")
            offered = self.scope.get("subprotocols", [])
            if offered and SUBPROTOCOL not in offered:
                raise Refusal(400, "unknown_subprotocol", f"This is {SUBPROTOCOL}.")
            await self._prepare(node)
        except Refusal as refusal:
            metrics.refused.labels(refusal.code).inc()
            if refusal.status == 403 or refusal.code == "unknown_subprotocol":
                await self.base_send({"type": "websocket.close"})
            else:
                await self._close_with(refusal)
            return
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        session = Commander(node, self._seat, self.request)
        wire = self._open(session, is_sse=False)
        try:
            wire.write(self._hello(session))
        except TopicGone:
            node.remove(session.connection)
            wire.close(Closing.DRAIN)
        if not self._stays:
            raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if isinstance(self._session, Commander):
            text = message.get("text")
            await self._session.take(message.get("bytes", b"") if text is None else text)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def _close_with(self, refusal: Refusal) -> None:
        """Accept, then close with a code that says whether to come back: before the handshake a browser sees none."""
        why = CLOSINGS.get(refusal.status, Closing.DRAIN)
        offered = SUBPROTOCOL in self.scope.get("subprotocols", [])
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        if refusal.retry_seconds:
            told = orjson.dumps({"event": "refused", "data": refusal.told()})
            await self.base_send({"type": "websocket.send", "text": told.decode()})
        await self.base_send({"type": "websocket.close", "code": why.value})


def _topic(command: dict[str, Any]) -> TopicName:
    try:
        return topic_name(command.get("topic", ""))
    except (ValueError, TypeError) as error:
        raise CommandError("invalid_topic", "A topic looks like video:<id>.") from error


def _command(text: str) -> dict[str, Any]:
    try:
        command = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError("malformed", "A command is a JSON object.") from error
    if not isinstance(command, dict) or not isinstance(command.get("op"), str):
        raise CommandError("malformed", 'A command is an object like {"op":"subscribe","topic":…,"ref":1}.')
    ref = command.get("ref")
    if ref is not None and (not isinstance(ref, (int, str)) or isinstance(ref, bool) or len(str(ref)) > 64):
        command["ref"] = None
        raise CommandError("malformed", "ref is a number or a short text.")
    return command
