"""Reads from the handshake what a connection asks for, and says how a connection is refused.

Called by the consumers (realtime.edge.consumers). It asks no database.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from realtime.asgi import Scope
from realtime.edge import devices, origins
from realtime.edge.cookies import cookie
from realtime.events import UNKNOWN, ConnectionId, Position, TopicName, parse_event_id, parse_event_ids
from realtime.identity import Identity
from realtime.limits import Network, network_of
from realtime.node.connections import TOPICS_MAX
from realtime.node.process import key_of
from realtime.registry import registry
from realtime.table.counting import UNCOUNTED, ViewerKey

POLL_MAX_SECONDS = 30  # how long a stream may be asked to last
APART = ("embed", "dock")  # they watch and do not count as viewers: a player on another site, a moderator's tool


class Refusal(Exception):
    """A refused connection: an HTTP status, a code and a sentence."""

    def __init__(self, status: int, code: str, detail: str, *, retry_seconds: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_seconds = retry_seconds

    def event(self) -> dict[str, Any]:
        """Return the data of the event `refused`. `retry_ms` is random: clients must not all come at once."""
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
    seconds: int | None = None  # the stream ends by itself after this time: a poll

    @classmethod
    def parse(cls, scope: Scope) -> Request:
        """Raises Refusal."""
        headers = dict(reversed(scope["headers"]))  # if a header came twice, the first counts
        query = _query(scope)
        topics = _topics(query["topic"])
        client = scope.get("client") or ("", 0)
        return cls(
            headers,
            topics,
            _positions(query["after"], headers.get(b"last-event-id"), topics),
            ticket=next(iter(query["ticket"]), ""),
            is_foreign=origins.page(scope, settings.LIVE_ORIGINS) is origins.Page.FOREIGN,
            network=network_of(client[0]),
            is_counted=_is_counted(query["as"]),
            has_ids_of_all=_has_ids_of_all(query["ids"]),
            seconds=_seconds(query["seconds"]),
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
        """Which browser asks. It is empty without our cookie."""
        return devices.read(cookie(self.headers, devices.COOKIE))

    @property
    def person(self) -> str:
        """The key by which the limits count the connection: the credentials themselves, which need no database."""
        session = self.cookie(settings.SESSION_COOKIE_NAME)
        return session or self.headers.get(b"authorization", b"").decode("latin1") or self.device

    def key(self, identity: Identity, id: ConnectionId, *, is_load: bool = False) -> ViewerKey:
        """Return the viewer that the connection is counted as: by identity, else by browser, else by address.

        Only signed names count, so no database is needed. Clients that invent names count as one viewer for each
        address. A browser's connections and those of its viewer's tokens have different keys, until the browser's are
        identified (`Node.identify`). Each connection of a load test is a viewer.
        """
        if not self.is_counted:
            return UNCOUNTED
        if is_load:
            return key_of(f"connection {id}")
        viewer_id = identity.viewer_id
        if not viewer_id and b"authorization" in self.headers and registry.claim is not None:
            viewer_id = registry.claim(self.headers)
        if viewer_id:
            return key_of(f"viewer {viewer_id}")
        device = self.device
        return key_of(f"device {device}" if device else f"address {self.network}")


def _query(scope: Scope) -> defaultdict[str, list[str]]:
    """Return the values of each parameter, in order."""
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=200)
    except ValueError as error:
        raise Refusal(422, "invalid", "The query is not readable.") from error
    query: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        query[name].append(value)
    return query


def _topics(values: Iterable[str]) -> list[TopicName]:
    try:
        topics = [registry.topic(value) for value in values]
    except ValueError as error:
        raise Refusal(422, "invalid_topic", f"{error}.".capitalize()) from error
    if len(topics) > TOPICS_MAX:
        raise Refusal(422, "too_many_topics", f"A connection may have {TOPICS_MAX} topics at most.")
    if len(set(topics)) < len(topics):
        raise Refusal(422, "invalid_topic", "Each topic may be named once.")
    return topics


def _positions(after: list[str], last_id: bytes | None, topics: list[TopicName]) -> dict[TopicName, Position]:
    """Return the positions up to which the client has followed its topics."""
    positions: dict[TopicName, Position] = {}
    for value in after:
        position = parse_event_id(value)
        if position is None:
            raise Refusal(422, "invalid", "after looks like <topic>@<epoch>.<seq>.")
        positions[position[0]] = position[1]
    if last_id is None:
        return positions
    # The browser sends the id by itself, not the page. So a wrong id gets a fresh state, not an error.
    named = parse_event_ids(last_id.decode("latin1"))
    if named.keys() & set(topics):
        return positions | named
    return {topic: positions.get(topic, UNKNOWN) for topic in topics}


def _is_counted(values: list[str]) -> bool:
    """Whether the connection counts as a viewer. With `as` it does not."""
    if not set(values) <= set(APART) or len(values) > 1:
        raise Refusal(422, "invalid", f"as is one of {', '.join(APART)}.")
    return not values


def _has_ids_of_all(values: list[str]) -> bool:
    if values not in ([], ["each"]):
        raise Refusal(422, "invalid", "ids is each, or not there.")
    return not values


def _seconds(values: list[str]) -> int | None:
    if not values:
        return None
    [value, *others] = values
    if others or not (value.isascii() and value.isdigit() and len(value) <= 2 and int(value) <= POLL_MAX_SECONDS):
        raise Refusal(422, "invalid", f"seconds is a whole number from 0 to {POLL_MAX_SECONDS}.")
    return int(value)
