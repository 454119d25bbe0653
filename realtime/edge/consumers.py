"""The Channels consumers: a viewer's SSE stream (`/events`) and WebSocket (`/ws`), from handshake to goodbye.

Hop: they accept a connection and hand its socket on to the node; frames never pass through here. On our server
(realtime.edge.server) the consumer ends with the handshake. It leaves a `StreamSession`, a fraction of its size, that
gets the commands and the end. On any other ASGI server, and behind TLS that is not ours, the consumer stays and passes
on what comes (`AsgiWire`). It owns no channel of the layer, because one for each node is enough. After the handshake it
needs no database.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any

import orjson
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from realtime import metrics
from realtime.asgi import Receive, Scope, Send
from realtime.edge import origins, tickets
from realtime.edge.admission import LimitKeys, enter_limits, identify, leave_limits, open_node, refusals
from realtime.edge.asgi_wire import AsgiWire
from realtime.edge.handoff import BEHIND, EXEMPT, WIRE, PeerGone
from realtime.edge.handshake import Refusal, Request
from realtime.edge.session import CommandSession, StreamSession
from realtime.events import ConnectionId, Frame, frame
from realtime.identity import ANONYMOUS, Identity
from realtime.log.store import TopicGone
from realtime.node.connections import RETRY_MS, Closing, Connection, Wire
from realtime.node.node import Node
from realtime.node.openings import OPENING_MAX_BYTES, Opening
from realtime.node.rights import RIGHTS_SECONDS
from realtime.node.subscribing import enter_later

SUBPROTOCOL = "live.v1.json"
CLOSINGS = {401: Closing.EXPIRED, 404: Closing.GONE, 422: Closing.INVALID, 429: Closing.TOO_OFTEN}


class _Stream:
    """What both consumers share: admission, identity, topics, and opening the connection."""

    scope: Scope
    base_send: Send
    request: Request
    identity: Identity = ANONYMOUS
    _is_load = False
    _ticket_seconds = 0.0  # its age
    _limit_keys: LimitKeys | None = None
    _session: StreamSession | None = None
    _asgi_wire: AsgiWire | None = None  # set if the session cannot have the socket itself; then the consumer stays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
                leave_limits(self._limit_keys)
            elif self._asgi_wire is not None:
                self._session.gone()
                self._asgi_wire.stop()

    def _admit(self) -> Node:
        """Check what can be checked without looking at a topic. Raises Refusal."""
        self.request = Request.parse(self.scope)
        node = open_node()
        if self.request.ticket:
            self._read_ticket()
        elif self.request.is_foreign and b"cookie" in self.request.headers:
            raise Refusal(403, "foreign_origin", "Pages of another origin need a ticket.")
        if self._is_load and (exempt := self.scope.get("extensions", {}).get(EXEMPT)) is not None:
            exempt()
        if settings.LIVE_LIMITS and not self._is_load:
            self._limit_keys = enter_limits(self.request)
        return node

    def _read_ticket(self) -> None:
        """Take the identity of the connection from its ticket. Raises Refusal."""
        try:
            ticket = tickets.read(self.request.ticket)
        except tickets.BadTicket as error:
            raise Refusal(401, "bad_ticket", "The ticket is not valid or has expired.") from error
        self.identity, self._is_load, self._ticket_seconds = ticket.identity, ticket.is_load, ticket.age_seconds

    async def _identify(self) -> Identity:
        """Return who watches. It is read once from cookie or token, and only when it matters. Raises Refusal."""
        if self.identity is ANONYMOUS and (credentials := self.request.credentials):
            self.identity = await identify(credentials)
        return self.identity

    async def _prepare(self, node: Node) -> None:
        """Load the topics, each from the position that the client has seen last. Raises Refusal."""
        async with refusals():
            is_old = self.identity.viewer_id and self._ticket_seconds > RIGHTS_SECONDS
            if is_old:
                if (now := await node.rights.recognize(self.identity)) is None:
                    raise Refusal(401, "bad_ticket", "The ticket's viewer is banned or has a new password.")
                self.identity = now
            await node.read_ahead(self.request.topics)
            for topic in self.request.topics:
                after = self.request.positions.get(topic)
                await node.prepare(topic, self.identity, after=after, identify=self._identify)

    def _open(self, session: StreamSession, *, is_sse: bool) -> Wire:
        """Give the session a connection, which enters the node. Nothing is written yet."""
        wire = self._take_wire(session, is_sse=is_sse)
        id = ConnectionId(secrets.token_urlsafe(12))
        key = self.request.key(self.identity, id, is_load=self._is_load)
        session.connection = Connection(
            id, wire, is_sse=is_sse, identity=self.identity, key=key, has_ids_of_all=self.request.has_ids_of_all
        )
        session.node.add(session.connection)
        self._session = session
        return wire

    def _take_wire(self, session: StreamSession, *, is_sse: bool) -> Wire:
        """Hand the socket to the session and return it. If we cannot take it, return a wire through this consumer."""
        extensions = self.scope.get("extensions", {})
        if (take := extensions.get(WIRE)) is None:
            self._asgi_wire = AsgiWire(self.base_send, is_sse=is_sse, behind=extensions.get(BEHIND))
            return self._asgi_wire
        try:
            wire: Wire = take(session)
        except PeerGone as gone:
            raise StopConsumer from gone
        return wire

    def _hello(self, session: StreamSession) -> list[Frame]:
        """Enter the prepared topics (only the first ones if there are many). Return the first frames. Raises TopicGone.

        No await until they are written.
        """
        node, connection = session.node, session.connection
        topics, openings = deque(self.request.topics), list[Opening]()
        while topics and sum(opening.size for opening in openings) < OPENING_MAX_BYTES:
            topic = topics.popleft()
            openings.append(node.enter(connection, topic, after=self.request.positions.get(topic)))
        if topics:
            enter_later(node, connection, {topic: self.request.positions.get(topic) for topic in topics})
        return node.hello(connection, openings)


class EventStream(_Stream, AsyncHttpConsumer):  # type: ignore[misc]
    """`GET /events?topic=…`: Server-Sent Events (WHATWG HTML, section 9.2).

    Accepts a viewer's stream and hands its socket on to the node, which has the connection in a group for each topic.
    """

    async def http_request(self, message: dict[str, Any]) -> None:
        if message.get("more_body") or self._session is not None:
            return  # a GET's body means nothing
        try:
            await self._start()
        except Refusal as refusal:
            metrics.refused.labels(refusal.code).inc()
            await self._refuse(refusal)
            raise StopConsumer from refusal
        if self._asgi_wire is None:
            raise StopConsumer

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def _start(self) -> None:
        accept = dict(self.scope["headers"]).get(b"accept", b"*/*").lower()
        if not any(kind in accept for kind in (b"text/event-stream", b"text/*", b"*/*")):
            raise Refusal(406, "not_acceptable", "This is text/event-stream.")
        node = self._admit()
        if not self.request.topics:
            raise Refusal(422, "invalid_topic", "Name at least one topic: ?topic=<topic>.")
        await self._prepare(node)
        if not all(node.is_open(topic, self.identity) for topic in self.request.topics):
            raise Refusal(503, "unavailable", "The topic is being read again.", retry_seconds=1)
        session = StreamSession(node, self._limit_keys)
        wire = self._open(session, is_sse=True)
        frames = self._hello(session)
        first = b"retry: %d\n" % RETRY_MS + b"".join(frame.text for frame in frames)
        wire.open(self._headers(b"text/event-stream; charset=utf-8"), first)
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
            event = refusal.event()
            await self.send_headers(status=200, headers=self._headers(b"text/event-stream; charset=utf-8"))
            await self.send_body(b"retry: %d\n" % event["retry_ms"] + frame("refused", event).text)
            return
        headers = self._headers(b"application/json")
        if refusal.retry_seconds:
            headers.append((b"retry-after", b"%d" % refusal.retry_seconds))
        await self.send_headers(status=refusal.status, headers=headers)
        await self.send_body(orjson.dumps({"code": refusal.code, "detail": refusal.detail}))


class WebSocketStream(_Stream, AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws`, subprotocol `live.v1.json`: the same events, and commands.

    Accepts a viewer's WebSocket and hands its socket on to the node, as `EventStream` does.
    """

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
        session = CommandSession(node, self._limit_keys, self.request)
        wire = self._open(session, is_sse=False)
        try:
            wire.write(self._hello(session))
        except TopicGone:
            node.remove(session.connection)
            wire.close(Closing.DRAIN)
        if self._asgi_wire is None:
            raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if isinstance(self._session, CommandSession):
            text = message.get("text")
            await self._session.take(message.get("bytes", b"") if text is None else text)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def _close_with(self, refusal: Refusal) -> None:
        """Accept, then close with a code that says whether to come back. A browser shows no code before that."""
        why = CLOSINGS.get(refusal.status, Closing.DRAIN)
        offered = SUBPROTOCOL in self.scope.get("subprotocols", [])
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        if refusal.retry_seconds:
            message = orjson.dumps({"event": "refused", "data": refusal.event()})
            await self.base_send({"type": "websocket.send", "text": message.decode()})
        await self.base_send({"type": "websocket.close", "code": why.value})
