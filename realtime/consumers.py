"""The Channels consumers: a viewer's SSE stream (`/events`) and WebSocket (`/ws`), from handshake to goodbye.

Hop: they open a connection, hand its wire to the node, and wait for its end; frames never pass through here.
They stay in the dispatch loop (else a gone client is not noticed), own no channel of the layer (one a node is
enough) and touch no database after the handshake.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from realtime import metrics, tickets
from realtime.connections import ANONYMOUS, Closing, Connection, Watcher
from realtime.events import ConnectionId, Frame, TopicName, parse_event_id, topic_name, websocket_frame
from realtime.frontend import RETRY_MS, Node, Opening
from realtime.limits import CONNECTIONS_MAX, Limited, RateLimit, even_out
from realtime.process import process
from realtime.registry import CommandError, registry
from realtime.server import WIRE, PeerGone
from realtime.store import StoreUnavailable, TopicGone

logger = logging.getLogger(__name__)

TOPICS_MAX = 50
SUBPROTOCOL = "live.v1.json"
ERRORS_MAX = 10
UNKNOWN_POSITION = -1

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Refusal(Exception):
    """A connection that is not opened: an HTTP status, a code and a sentence."""

    def __init__(self, status: int, code: str, detail: str, *, retry_seconds: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_seconds = retry_seconds


@dataclass(slots=True)
class Request:
    """What a connection asks for, read from its handshake."""

    headers: dict[bytes, bytes]
    topics: list[TopicName]
    positions: dict[TopicName, int]
    ticket: str
    is_foreign: bool
    address: str

    @classmethod
    def parse(cls, scope: Scope) -> Request:
        """Raises Refusal."""
        headers = dict(reversed(scope["headers"]))  # of a header that came twice the first counts
        try:
            query = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=200)
        except ValueError as error:
            raise Refusal(422, "invalid", "The query is not readable.") from error
        topics = _topics(value for name, value in query if name == "topic")
        positions: dict[TopicName, int] = {}
        for value in (value for name, value in query if name == "after"):
            position = parse_event_id(value)
            if position is None:
                raise Refusal(422, "invalid", "after looks like video:<id>@<seq>.")
            positions[position[0]] = position[1]
        if (last := headers.get(b"last-event-id")) is not None:
            # The browser's own, not the page's: what it holds is answered with a fresh state, not with an error.
            position = parse_event_id(last.decode("latin1"))
            if position is not None and position[0] in topics:
                positions[position[0]] = position[1]
            else:
                positions = {topic: positions.get(topic, UNKNOWN_POSITION) for topic in topics}
        ticket = next((value for name, value in query if name == "ticket"), "")
        client = scope.get("client") or ("", 0)
        return cls(headers, topics, positions, ticket, _is_foreign(scope, headers), client[0])

    @property
    def has_credentials(self) -> bool:
        return b"cookie" in self.headers or b"authorization" in self.headers

    @property
    def person(self) -> str:
        """Who to count the connection for: the credentials themselves, which need no database."""
        cookie = self.headers.get(b"cookie", b"").decode("latin1")
        session = next((part for part in cookie.split("; ") if part.startswith(f"{settings.SESSION_COOKIE_NAME}=")), "")
        return session or self.headers.get(b"authorization", b"").decode("latin1")


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


def _is_foreign(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether a page of another origin asks. No Origin: no browser, or one that sends none for its own pages."""
    origin = headers.get(b"origin")
    if origin is None:
        return False
    text = origin.decode("latin1")
    try:
        parts = urlsplit(text)
    except ValueError:
        return True
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), scope.get("scheme", "http"))
    own = f"{scheme}://{headers.get(b'host', b'').decode('latin1')}"
    return text != own and f"{parts.scheme}://{parts.netloc}" not in settings.CSRF_TRUSTED_ORIGINS


class _Stream:
    """What both transports share: admission, identity, topics, and the connection's place in the node."""

    scope: Scope
    base_send: Send
    connection: Connection | None = None
    request: Request
    watcher: Watcher = ANONYMOUS
    _counted = False

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
            self._leave()

    def _admit(self) -> Node:
        """Check what can be checked without looking at a topic. Raises Refusal."""
        self.request = Request.parse(self.scope)
        node = process.node()
        if node.is_draining:
            raise Refusal(503, "draining", "This node is shutting down.", retry_seconds=1)
        if len(node.connections) >= CONNECTIONS_MAX:
            raise Refusal(503, "full", "This node is full.", retry_seconds=5)
        is_load = False
        if self.request.ticket:
            try:
                self.watcher, is_load = tickets.read(self.request.ticket)
            except tickets.BadTicket as error:
                raise Refusal(401, "bad_ticket", "The ticket is not valid or has expired.") from error
        elif self.request.is_foreign and b"cookie" in self.request.headers:
            raise Refusal(403, "foreign_origin", "Pages of another origin need a ticket.")
        if settings.LIVE_LIMITS and not is_load:
            try:
                process.connection_limit.enter(self.request.address, self.request.person)
                self._counted = True
            except Limited as limited:
                raise Refusal(
                    429, "too_many_connections", "Too many connections at once.", retry_seconds=limited.retry_seconds
                ) from limited
        return node

    async def _identify(self) -> None:
        """Learn who watches, from cookie or token; once, and only where it matters. Raises Refusal."""
        if self.watcher is not ANONYMOUS or not self.request.has_credentials or registry.identify is None:
            return
        try:
            self.watcher = await registry.identify(self.request.headers)
        except CommandError as error:
            raise Refusal(401, error.code, error.detail) from error
        if self.connection is not None:
            process.node().identify(self.connection, self.watcher)

    async def _prepare(self, node: Node, topics: Sequence[TopicName]) -> None:
        """Have the topics at hand. Raises Refusal. A public topic needs nobody's identity."""
        began = time.monotonic()
        try:
            for topic in topics:
                after = self.request.positions.get(topic)
                try:
                    await node.prepare(topic, self.watcher, after=after)
                except TopicGone:
                    await self._identify()
                    await node.prepare(topic, self.watcher, after=after)
        except TopicGone as error:
            await even_out(began)
            raise Refusal(404, "not_found", "There is no such topic.") from error
        except StoreUnavailable as error:
            raise Refusal(503, "unavailable", "The database is away.", retry_seconds=2) from error

    def _open(self, node: Node, *, is_sse: bool) -> Connection:
        try:
            wire = self.scope["extensions"][WIRE]()
        except PeerGone as gone:
            raise StopConsumer from gone
        connection = Connection(
            ConnectionId(secrets.token_urlsafe(12)),
            wire,
            is_sse=is_sse,
            watcher=self.watcher,
        )
        node.add(connection)
        self.connection = connection
        return connection

    def _hello(self, node: Node, connection: Connection) -> list[Frame]:
        """Enter the prepared topics; return the first frames. No await until they are written."""
        openings = [
            node.enter(connection, topic, after=self.request.positions.get(topic)) for topic in self.request.topics
        ]
        return node.hello(connection, openings)

    def _leave(self) -> None:
        if self.connection is not None:
            process.node().remove(self.connection)
        if self._counted:
            self._counted = False
            process.connection_limit.leave(self.request.address, self.request.person)


class EventStream(_Stream, AsyncHttpConsumer):  # type: ignore[misc]
    """`GET /events?topic=…`: Server-Sent Events (WHATWG HTML, section 9.2)."""

    async def http_request(self, message: dict[str, Any]) -> None:
        if message.get("more_body") or self.connection is not None:
            return  # a GET's body means nothing
        try:
            await self._start()
        except Refusal as refusal:
            metrics.refused.labels(refusal.code).inc()
            await self._refuse(refusal)
            raise StopConsumer from refusal

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def _start(self) -> None:
        if self.scope["method"] != "GET":
            raise Refusal(405, "method_not_allowed", "Only GET opens an event stream.")
        accept = dict(self.scope["headers"]).get(b"accept", b"*/*")
        if not any(kind in accept for kind in (b"text/event-stream", b"text/*", b"*/*")):
            raise Refusal(406, "not_acceptable", "This is text/event-stream.")
        node = self._admit()
        if not self.request.topics:
            raise Refusal(422, "invalid_topic", "Name at least one topic, like ?topic=video:<id>.")
        await self._prepare(node, self.request.topics)
        connection = self._open(node, is_sse=True)
        try:
            frames = self._hello(node, connection)
        except TopicGone as error:
            raise Refusal(503, "unavailable", "The topic is being read again.", retry_seconds=1) from error
        await self.send_headers(status=200, headers=self._headers(b"text/event-stream; charset=utf-8"))
        await self.send_body(
            b"retry: %d\n\n" % RETRY_MS + b"".join(frame.text for frame in frames),
            more_body=True,
        )

    def _headers(self, content_type: bytes) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"content-type", content_type),
            (b"cache-control", b"no-store, no-transform"),
            (b"x-accel-buffering", b"no"),
            (b"x-content-type-options", b"nosniff"),
        ]
        request = getattr(self, "request", None)
        if request is not None and request.is_foreign and b"cookie" not in request.headers:
            headers.append((b"access-control-allow-origin", b"*"))
        return headers

    async def _refuse(self, refusal: Refusal) -> None:
        is_browser = dict(self.scope["headers"]).get(b"accept") == b"text/event-stream"
        if is_browser and refusal.status in (429, 503):
            # A native EventSource never comes back after a status other than 200.
            await self.send_headers(status=200, headers=self._headers(b"text/event-stream; charset=utf-8"))
            await self.send_body(b"retry: %d\n\n" % (refusal.retry_seconds * 1000))
            return
        headers = self._headers(b"application/json")
        if refusal.status == 405:
            headers.append((b"allow", b"GET"))
        if refusal.retry_seconds:
            headers.append((b"retry-after", b"%d" % refusal.retry_seconds))
        await self.send_headers(status=refusal.status, headers=headers)
        await self.send_body(orjson.dumps({"code": refusal.code, "detail": refusal.detail}))


class WebSocketStream(_Stream, AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws`, subprotocol `live.v1.json`: the same events, and commands answered by `ack` or `error`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._errors = 0
        self._commands = RateLimit(burst=200, per_second=50)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        try:
            node = self._admit()
            if self.request.is_foreign and not self.request.ticket:
                raise Refusal(403, "foreign_origin", "Pages of another origin need a ticket.")
            offered = self.scope.get("subprotocols", [])
            if offered and SUBPROTOCOL not in offered:
                raise Refusal(400, "unknown_subprotocol", f"This is {SUBPROTOCOL}.")
            await self._prepare(node, self.request.topics)
        except Refusal as refusal:
            metrics.refused.labels(refusal.code).inc()
            if refusal.status == 403 or refusal.code == "unknown_subprotocol":
                await self.base_send({"type": "websocket.close"})
            else:
                await self._close_with(refusal)
            return
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        connection = self._open(node, is_sse=False)
        try:
            for frame in self._hello(node, connection):
                connection.write(frame)
        except TopicGone:
            connection.wire.close(Closing.DRAIN)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if self.connection is None:
            return
        if (text := message.get("text")) is None:
            await self.base_send({"type": "websocket.close", "code": 1003})
            return
        ref: object = None
        try:
            if settings.LIVE_LIMITS:
                self._commands.take("")
            command = _command(text)
            ref = command.get("ref")
            await self._run(command, ref)
            self._errors = 0
        except Limited:
            await self.base_send({"type": "websocket.close", "code": 4429})
        except (CommandError, Refusal) as error:
            self._errors += 1
            self._answer({"error": {"code": error.code, "detail": error.detail}, "ref": ref})
            if self._errors >= ERRORS_MAX:
                await self.base_send({"type": "websocket.close", "code": 4400})

    async def _run(self, command: dict[str, Any], ref: object) -> None:
        assert self.connection is not None
        node = process.node()
        match command.pop("op"):
            case "subscribe":
                topic = self._topic(command)
                if len(self.connection.topics) >= TOPICS_MAX and topic not in self.connection.topics:
                    raise CommandError("too_many_topics", f"A connection may have {TOPICS_MAX} topics at most.")
                if (after := command.get("after")) is not None:
                    if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after < 2**63:
                        raise CommandError("invalid", "after is the last seq you have seen.")
                    self.request.positions[topic] = after
                else:
                    self.request.positions.pop(topic, None)
                await self._prepare(node, [topic])
                if self.connection not in node.connections:
                    raise StopConsumer  # closed meanwhile
                try:
                    opening = node.enter(self.connection, topic, after=after)
                except TopicGone as error:
                    raise CommandError("unavailable", "The topic is being read again.") from error
                self._acknowledge(ref, opening)
            case "unsubscribe":
                topic = self._topic(command)
                node.unsubscribe(self.connection, topic)
                self._answer({"ack": ref, "topic": topic})
            case str(op) if op in registry.commands:
                await self._identify()
                if not self.watcher.viewer_id:
                    raise CommandError(
                        "unauthenticated",
                        "Say who you are: open the WebSocket with a session, a bearer token or a ticket.",
                    )
                answer = await registry.commands[op](self.watcher, self.request.address, command)
                self._answer({"ack": ref, **answer})
            case _:
                raise CommandError("unknown_op", "There is no such command.")

    @staticmethod
    def _topic(command: dict[str, Any]) -> TopicName:
        try:
            return topic_name(command.get("topic", ""))
        except (ValueError, TypeError) as error:
            raise CommandError("invalid_topic", "A topic looks like video:<id>.") from error

    def _acknowledge(self, ref: object, opening: Opening) -> None:
        start = orjson.dumps({"ack": ref, "topic": opening.topic})
        self._write(start[:-1] + b"," + opening.part[1:])
        for frame in opening.frames:
            assert self.connection is not None
            self.connection.write(frame)

    def _answer(self, answer: dict[str, Any]) -> None:
        self._write(orjson.dumps(answer))

    def _write(self, body: bytes) -> None:
        if self.connection is not None:
            self.connection.wire.write_raw(websocket_frame(body))

    async def _close_with(self, refusal: Refusal) -> None:
        """Accept, then close with a code that says whether to come back: before the handshake a browser sees none."""
        code = {401: 4401, 404: 4404, 422: 4422, 429: 4429}.get(refusal.status, Closing.DRAIN.value)
        offered = SUBPROTOCOL in self.scope.get("subprotocols", [])
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        await self.base_send({"type": "websocket.close", "code": code})


def _command(text: str) -> dict[str, Any]:
    try:
        command = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError("malformed", "A command is a JSON object.") from error
    if not isinstance(command, dict) or not isinstance(command.get("op"), str):
        raise CommandError("malformed", 'A command is an object like {"op":"subscribe","topic":…,"ref":1}.')
    ref = command.get("ref")
    if ref is not None and (not isinstance(ref, (int, str)) or len(str(ref)) > 64):
        command["ref"] = None
        raise CommandError("malformed", "ref is a number or a short text.")
    return command
