"""The shared table and its Redis connection, as the settings describe them: one per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from realtime.events import NodeId
from realtime.presence import PresenceTable
from realtime.relay.table import Outbox, RelayTable
from realtime.subscriptions import SharedTable

ANSWER_SECONDS = 1.0
T = TypeVar("T")


def _per_loop(make: Callable[[], T]) -> Callable[[], T]:
    """Make it once for each event loop: a connection belongs to the loop that opened it."""
    made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    @wraps(make)
    def of_this_loop() -> T:
        loop = asyncio.get_running_loop()
        if loop not in made:
            made[loop] = make()
        return made[loop]

    return of_this_loop


@_per_loop
def shared_redis() -> Redis:
    """Return the running loop's client. A Redis that does not answer within a second is an error, not a wait."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # Of a connection that has died meanwhile; not of a time-out, which would then take twice as long.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


async def send_to_nodes(messages: Mapping[NodeId, bytes]) -> None:
    """Put packed messages on the nodes' channels: what RedisPubSubChannelLayer.send does, in one round trip for all.

    Raises RedisError, OSError.
    """
    pipe = shared_redis().pipeline(transaction=False)
    for node, message in messages.items():
        pipe.publish(node, message)
    await pipe.execute()


def _prefix() -> str:
    return f"live:{settings.LIVE_REGION}:"


@_per_loop
def shared_table() -> SharedTable:
    """Return the running loop's shared table."""
    return SharedTable(shared_redis(), lease_seconds=settings.LIVE_LEASE_SECONDS, prefix=_prefix())


@_per_loop
def presence_table() -> PresenceTable:
    """Return the running loop's presence table."""
    return PresenceTable(shared_redis(), prefix=_prefix(), beat_seconds=settings.LIVE_PRESENCE_SECONDS)


@_per_loop
def relay_table() -> RelayTable:
    """Return the running loop's relay table."""
    return RelayTable(shared_redis(), lease_seconds=settings.LIVE_LEASE_SECONDS, prefix=_prefix())


@_per_loop
def outbox() -> Outbox | None:
    """Return the running loop's way to the other regions; None: there is no other."""
    return Outbox(relay_table(), list(settings.LIVE_PEERS)) if settings.LIVE_PEERS else None
