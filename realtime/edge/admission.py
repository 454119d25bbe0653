"""Decides who may open a connection, and to which topics: limits of addresses and viewers, identities, topics.

Called by the consumers (realtime.edge.consumers) before they open a connection, and by the session of a WebSocket
(realtime.edge.session) for each topic. Each refusal is a `Refusal`: a status, a code and a sentence.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from realtime.edge.handshake import Refusal, Request
from realtime.identity import ANONYMOUS, Identity
from realtime.limits import CONNECTIONS_MAX, Limited, Network, NetworkFull, even_out
from realtime.log.store import StoreUnavailable, TopicGone
from realtime.node.node import Node
from realtime.node.process import process
from realtime.registry import CommandError, registry

LimitKeys = tuple[Network, str]
"""The address and the viewer for which the limits count a connection."""


def open_node() -> Node:
    """Return the node of this process. Raises Refusal while it takes no more connections."""
    node = process.node()
    if node.is_draining:
        raise Refusal(503, "draining", "This node is shutting down.", retry_seconds=1)
    if len(node.connections) >= CONNECTIONS_MAX:
        raise Refusal(503, "full", "This node is full.", retry_seconds=5)
    return node


def enter_limits(request: Request) -> LimitKeys:
    """Count a connection in the limits. Return what to give back when the connection ends. Raises Refusal."""
    keys = (request.network, request.person)
    try:
        process.connection_limit.enter(*keys)
    except NetworkFull as full:
        detail = "Too many watch from your network at once."
        raise Refusal(429, "network_full", detail, retry_seconds=full.retry_seconds) from full
    except Limited as limited:
        detail = "You have too many streams open."
        raise Refusal(429, "too_many_connections", detail, retry_seconds=limited.retry_seconds) from limited
    return keys


def leave_limits(keys: LimitKeys | None) -> None:
    if keys is not None:
        process.connection_limit.leave(*keys)


async def identify(headers: dict[bytes, bytes]) -> Identity:
    """Return the identity that the headers speak for. Raises Refusal."""
    if registry.identify is None:
        return ANONYMOUS
    try:
        return await registry.identify(headers)
    except CommandError as error:
        raise Refusal(401, error.code, error.detail) from error
    except StoreUnavailable as error:
        raise _unavailable() from error


@asynccontextmanager
async def refusals() -> AsyncIterator[None]:
    """Turn what the node raises about topics and the database into a Refusal."""
    began = time.monotonic()
    try:
        yield
    except TopicGone as error:
        await even_out(began)
        raise Refusal(404, "not_found", "There is no such topic.") from error
    except StoreUnavailable as error:
        raise _unavailable() from error


def _unavailable() -> Refusal:
    return Refusal(503, "unavailable", "The database is away.", retry_seconds=2)
