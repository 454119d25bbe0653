"""What remains of an open connection after the handshake: its place in the node, and its viewer's commands.

The consumers (realtime.edge.consumers) make it. If the session gets the socket, they end with the handshake.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings

from realtime.edge.admission import LimitKeys, identify, leave_limits, refusals
from realtime.edge.handshake import Refusal, Request
from realtime.events import TopicName, position_in
from realtime.identity import ANONYMOUS, Identity
from realtime.limits import Limited, RateLimit
from realtime.node.acknowledgements import entries_of
from realtime.node.connections import TOPICS_MAX, Closing, Connection, ConnectionGone, TooManyTopics
from realtime.node.node import Node
from realtime.node.subscribing import subscribe
from realtime.registry import CommandError, registry

logger = logging.getLogger(__name__)

ERRORS_MAX = 10
NO_NONSENSE = ("too_often", "unavailable", "not_found")  # answers that are not the client's mistake
COMMAND_BYTES = 16 * 1024  # so many bytes sent for commands count as one more command
WAITING_MAX = 64  # commands that wait; with more we stop reading


class StreamSession:
    """An open connection's place in the node and in the limits. Implements realtime.edge.sockets.Listener."""

    __slots__ = ("_limit_keys", "connection", "node")

    connection: Connection

    def __init__(self, node: Node, limit_keys: LimitKeys | None) -> None:
        self.node = node
        self._limit_keys = limit_keys

    def received(self, message: str | bytes) -> None:
        """An event stream has no messages from its viewer."""

    def input_ended(self, goodbye: Callable[[], None]) -> None:
        goodbye()

    def filled(self) -> None:
        self.node.slow.filled(self.connection)

    def end_poll(self) -> None:
        """The stream was asked to end now. The next one goes on from its positions."""
        if self.connection.id in self.node.connections:
            self.node.end_poll(self.connection)
            self.connection.wire.close(Closing.DRAIN)

    def gone(self) -> None:
        """Leave the node and the limits. A second call changes nothing."""
        self.node.remove(self.connection)
        leave_limits(self._limit_keys)
        self._limit_keys = None


class CommandSession(StreamSession):
    """A WebSocket's session: runs its viewer's commands, one after the other, each answered by `ack` or `error`."""

    __slots__ = ("_caused_bytes", "_errors", "_headers", "_is_paused", "_network", "limit", "waiting", "working")

    def __init__(self, node: Node, limit_keys: LimitKeys | None, request: Request) -> None:
        super().__init__(node, limit_keys)
        self._network = request.network
        self._headers = request.credentials
        self._errors = 0
        self._caused_bytes = 0  # bytes sent for commands that the limit has not counted yet
        self.limit: RateLimit | None = None  # from the first command on
        self.waiting: deque[str | bytes | Callable[[], None]] = deque()
        self.working: asyncio.Task[None] | None = None  # while there are commands
        self._is_paused = False

    def received(self, message: str | bytes) -> None:
        self.waiting.append(message)
        if self.working is None:
            self.working = asyncio.create_task(self._work(), name="commands")
        elif len(self.waiting) > WAITING_MAX and not self._is_paused:
            self._is_paused = True
            self.connection.wire.pause()

    def input_ended(self, goodbye: Callable[[], None]) -> None:
        self.waiting.append(goodbye)
        if self.working is None:
            self.working = asyncio.create_task(self._work(), name="commands")

    async def _work(self) -> None:
        try:
            while self.waiting:
                message = self.waiting.popleft()
                if callable(message):
                    message()
                    return
                await self.take(message)
                if self._is_paused and len(self.waiting) <= WAITING_MAX // 4:
                    self._is_paused = False
                    self.connection.wire.resume()
        except Exception:
            logger.exception("a command failed")
            self._close(Closing.FAILED)
        finally:
            self.working = None

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
                self.limit = self.limit or RateLimit(burst=200, per_second=50)
                cost, self._caused_bytes = divmod(self._caused_bytes, COMMAND_BYTES)
                self.limit.take("", 1 + cost)
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
                self._answer({"ack": ref, "seen": self.node.acknowledgements.saw(self.connection.id, frames)})
            case str(op) if op in registry.commands:
                identity = await self._identify()
                if not identity.viewer_id:
                    raise CommandError(
                        "unauthenticated",
                        "Say who you are: open the WebSocket with a session, a bearer token or a ticket.",
                    )
                answer = await registry.commands[op](identity, self._network, command)
                self._answer({"ack": ref, **answer})
            case _:
                raise CommandError("unknown_op", "There is no such command.")

    async def _subscribe(self, topic: TopicName, after: object, ref: object) -> None:
        connection = self.connection
        try:
            position = position_in(topic, after)
        except ValueError as error:
            raise CommandError("invalid", f"{error}.") from error
        if topic in connection.topics and position is None:
            # The connection follows this topic already: what it has not read yet is on its way.
            feed = self.node.feeds[topic]
            self._answer({"ack": ref, "topic": topic, "epoch": feed.epoch, "seq": feed.seq, "snapshot": None})
            return
        try:
            async with refusals():
                opening = await subscribe(self.node, connection, topic, after=position, identify=self._identify)
        except ConnectionGone:
            return
        except TooManyTopics as error:
            detail = f"A connection may have {TOPICS_MAX} topics at most."
            raise CommandError("too_many_topics", detail) from error
        start = orjson.dumps({"ack": ref, "topic": opening.topic})
        self._caused_bytes += opening.size
        connection.wire.answer(start[:-1] + b"," + opening.part[1:])
        if opening.frames:
            connection.wire.write(opening.frames)

    async def _identify(self) -> Identity:
        """Return who watches. It is read once from cookie or token. Raises Refusal."""
        identity = self.connection.identity
        if identity is ANONYMOUS and self._headers:
            identity = await identify(self._headers)
            self.node.identify(self.connection, identity)
        return identity

    def _answer(self, answer: dict[str, Any]) -> None:
        body = orjson.dumps(answer)
        self._caused_bytes += len(body)
        self.connection.wire.answer(body)

    def _close(self, why: Closing) -> None:
        self.waiting.clear()
        self.node.remove(self.connection)
        self.connection.wire.close(why)


def _topic(command: dict[str, Any]) -> TopicName:
    try:
        return registry.topic(command.get("topic"))
    except ValueError as error:
        raise CommandError("invalid_topic", f"{error}.".capitalize()) from error


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
