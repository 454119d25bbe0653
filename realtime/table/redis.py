"""The tables in Redis and the connections to it, as the settings describe them: one per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from channels_redis.utils import _consistent_hash
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from realtime.events import NodeId
from realtime.table.addresses import RedisAddress, parse_list
from realtime.table.presence import PresenceTable
from realtime.table.subscriptions import SharedTable

ANSWER_SECONDS = 1.0
T = TypeVar("T")


def per_loop(make: Callable[[], T]) -> Callable[[], T]:
    """Make it once for each event loop: a connection belongs to the loop that opened it."""
    made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    @wraps(make)
    def of_this_loop() -> T:
        loop = asyncio.get_running_loop()
        if loop not in made:
            made[loop] = make()
        return made[loop]

    return of_this_loop


def _client(address: RedisAddress) -> Redis:
    return address.client(
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # Of a connection that has died meanwhile; not of a time-out, which would then take twice as long.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


@per_loop
def shared_redis() -> Redis:
    """Return the running loop's client. A Redis that does not answer within a second is an error, not a wait."""
    return _client(RedisAddress.parse(settings.REDIS_URL))


@per_loop
def _layer_shards() -> list[Redis]:
    if settings.LIVE_LAYER_URLS == settings.REDIS_URL:
        return [shared_redis()]
    return [_client(address) for address in parse_list(settings.LIVE_LAYER_URLS)]


def layer_redis(channel: str) -> Redis:
    """Return the running loop's client of the Redis on which the channel layer hears this channel."""
    shards = _layer_shards()
    place: int = _consistent_hash(channel, len(shards))
    return shards[place]


async def send_to_nodes(messages: Mapping[NodeId, bytes]) -> None:
    """Put packed messages on the nodes' channels: what RedisPubSubChannelLayer.send does, for all nodes of a shard in
    one round trip.

    A shard that is away costs the nodes of the others nothing. Raises RedisError, OSError when all is done.
    """
    pipes: dict[Redis, Pipeline] = {}
    for node, message in messages.items():
        redis = layer_redis(node)
        if redis not in pipes:
            pipes[redis] = redis.pipeline(transaction=False)
        pipes[redis].publish(node, message)
    outcomes = await asyncio.gather(*(pipe.execute() for pipe in pipes.values()), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def key_prefix() -> str:
    """Return how all keys of this region begin."""
    return f"live:{settings.LIVE_REGION}:"


@per_loop
def shared_table() -> SharedTable:
    """Return the running loop's shared table."""
    return SharedTable(shared_redis(), lease_seconds=settings.LIVE_LEASE_SECONDS, prefix=key_prefix())


@per_loop
def presence_table() -> PresenceTable:
    """Return the running loop's presence table."""
    return PresenceTable(shared_redis(), prefix=key_prefix(), beat_seconds=settings.LIVE_PRESENCE_SECONDS)
