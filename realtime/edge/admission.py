"""Who may open a connection, and to what: places in the limits, identities, topics.

Called by the consumers (realtime.edge.consumers) before they open one, and by a WebSocket's session for each topic.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

from realtime.edge.handshake import Refusal
from realtime.events import Position, TopicName
from realtime.identity import ANONYMOUS, Identity
from realtime.limits import Network, even_out
from realtime.log.store import StoreUnavailable, TopicGone
from realtime.node.node import Node
from realtime.node.process import process
from realtime.registry import CommandError, registry

Seat = tuple[Network, str]  # what a connection is counted by in the limits


def leave_seat(seat: Seat | None) -> None:
    if seat is not None:
        process.connection_limit.leave(*seat)


async def identified(headers: dict[bytes, bytes]) -> Identity:
    """Return on whose behalf the headers speak. Raises Refusal."""
    if registry.identify is None:
        return ANONYMOUS
    try:
        return await registry.identify(headers)
    except CommandError as error:
        raise Refusal(401, error.code, error.detail) from error
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.", retry_seconds=2) from error


async def recognized(node: Node, watcher: Identity) -> bool:
    """Whether the viewer of a ticket would still be recognized. Raises Refusal."""
    try:
        return await node.recognizes(watcher)
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.", retry_seconds=2) from error


async def prepare(
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
