"""The tables in Redis and the connections to it, as the settings describe them: one per event loop."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgpack
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
    """Make it once for each event loop, because a connection belongs to the loop that opened it."""
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
        # Only after a connection that has died meanwhile, not after a time-out, which would then take twice as long.
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
    """Return the running loop's client of the Redis on which the channel layer listens to this channel."""
    shards = _layer_shards()
    # As the layer itself chooses: 4,096 values of a CRC, in as many equal parts as there are shards.
    part = 4096 / len(shards)
    return shards[int((binascii.crc32(channel.encode()) & 0xFFF) / part)]


async def send_to_nodes(messages: Mapping[NodeId, bytes]) -> frozenset[NodeId]:
    """Put packed messages on the nodes' channels, with one round trip for each shard. Return the nodes that listened.

    All that is sent to a node goes through here: events, questions, answers, and what a node sends to itself. It puts
    on the wire what RedisPubSubChannelLayer.send does; that one does not say how many receivers Redis reports. If it
    reports none, no node holds that channel.
    If a shard is away, the nodes of other shards still get theirs. Raises RedisError, OSError when all is done.
    """
    shards: dict[Redis, list[NodeId]] = {}
    for node in messages:
        shards.setdefault(layer_redis(node), []).append(node)
    pipes: list[Pipeline] = []
    for redis, nodes in shards.items():
        pipe = redis.pipeline(transaction=False)
        for node in nodes:
            pipe.publish(node, messages[node])
        pipes.append(pipe)
    outcomes = await asyncio.gather(*(pipe.execute() for pipe in pipes), return_exceptions=True)
    listened: set[NodeId] = set()
    for nodes, outcome in zip(shards.values(), outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        listened.update(node for node, receivers in zip(nodes, outcome, strict=True) if receivers)
    return frozenset(listened)


async def messages_to(node: NodeId) -> AsyncGenerator[Any, None]:
    """Yield the messages that come on a node's channel from now on, until you close it.

    RedisPubSubChannelLayer.receive looks ten times a second whether there is one: half of the processor time of a node
    on which nothing happens. Raises RedisError, OSError; for a message that cannot be read ValueError.
    """
    async with layer_redis(node).pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe(node)
        while True:
            if (message := await listening.get_message(timeout=None)) is not None:
                yield msgpack.unpackb(message["data"])


def key_prefix() -> str:
    """Return the text that all keys of this region begin with."""
    return f"live:{settings.LIVE_REGION}:"


@per_loop
def shared_table() -> SharedTable:
    """Return the running loop's shared table."""
    return SharedTable(shared_redis(), lease_seconds=settings.LIVE_LEASE_SECONDS, prefix=key_prefix())


@per_loop
def presence_table() -> PresenceTable:
    """Return the running loop's presence table."""
    return PresenceTable(shared_redis(), prefix=key_prefix(), beat_seconds=settings.LIVE_PRESENCE_SECONDS)
