"""The shared table and its Redis connection, as the settings describe them: one per event loop."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from realtime.presence import PresenceTable
from realtime.subscriptions import SharedTable

ANSWER_SECONDS = 1.0
_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()
_tables: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedTable] = WeakKeyDictionary()
_presence: WeakKeyDictionary[asyncio.AbstractEventLoop, PresenceTable] = WeakKeyDictionary()


def shared_redis() -> Redis:
    """Return the running loop's client. A Redis that does not answer within a second is an error, not a wait."""
    loop = asyncio.get_running_loop()
    redis = _connections.get(loop)
    if redis is None:
        redis = _connections[loop] = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            # Of a connection that has died meanwhile; not of a time-out, which would then take twice as long.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
    return redis


def shared_table() -> SharedTable:
    """Return the running loop's shared table."""
    loop = asyncio.get_running_loop()
    table = _tables.get(loop)
    if table is None:
        table = _tables[loop] = SharedTable(
            shared_redis(), lease_seconds=settings.LIVE_LEASE_SECONDS, prefix=f"live:{settings.LIVE_REGION}:"
        )
    return table


def presence_table() -> PresenceTable:
    """Return the running loop's presence table."""
    loop = asyncio.get_running_loop()
    table = _presence.get(loop)
    if table is None:
        table = _presence[loop] = PresenceTable(
            shared_redis(), prefix=f"live:{settings.LIVE_REGION}:", beat_seconds=settings.LIVE_PRESENCE_SECONDS
        )
    return table
