"""The shared table's Redis connection: a Redis that does not answer is an error in time, a dead connection is none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgpack
import pytest
import redis as redis_sync
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from host import embedded
from realtime.background import end
from realtime.events import NodeId
from realtime.table import redis as shared
from realtime.table.addresses import parse_list
from realtime.table.redis import layer_redis, messages_to, send_to_nodes, shared_redis, shared_table
from realtime.table.scripts import TableUnavailable


class FakeRedis:
    """A server that answers PING, until it is `frozen`."""

    def __init__(self) -> None:
        self.pings = self.connections = 0
        self.is_frozen = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        while data := await reader.read(65_536):
            self.pings += b"PING" in data
            if not self.is_frozen:
                commands = data.count(b"*")
                answer = b"%1\r\n+proto\r\n:3\r\n" if b"HELLO" in data else b"+OK\r\n"
                writer.write(b"+PONG\r\n" if b"PING" in data else answer * commands)
        writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@pytest.fixture
async def redis(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeRedis]:
    fake = FakeRedis()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    monkeypatch.setattr("django.conf.settings.REDIS_URL", url)
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 3.0)  # a busy machine is no outage
    yield fake
    await shared_redis().aclose()
    fake.cut()
    server.close()
    await server.wait_closed()


async def test_frozen_redis_is_asked_once(redis: FakeRedis) -> None:
    """It was asked twice, and every page and video waited for both."""
    await shared_table().ping()
    redis.is_frozen = True
    with pytest.raises(TableUnavailable):
        await shared_table().ping()
    assert (redis.connections, redis.pings) == (1, 2)


async def test_connection_that_died_meanwhile_is_made_again(redis: FakeRedis) -> None:
    await shared_table().ping()
    redis.cut()
    await asyncio.sleep(0)
    await shared_table().ping()
    assert redis.connections == 2


@pytest.fixture
def second_valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The layer spread over the test run's Redis and another one, which is this."""
    with embedded.throw_away(postgres=False) as folder:
        url = embedded.redis_url(folder)
        monkeypatch.setattr("django.conf.settings.LIVE_LAYER_URLS", f"{settings.REDIS_URL},{url}")
        yield url


async def test_nodes_hear_the_dispatcher_whichever_redis_their_channel_is_on(second_valkey: str) -> None:
    """And a Redis that is away costs the nodes of the other one nothing."""
    hosts = [address.layer_host() for address in parse_list(settings.LIVE_LAYER_URLS)]
    layer = RedisPubSubChannelLayer(hosts=hosts, prefix="live.")
    nodes = [NodeId(f"live.node.test.{number}") for number in range(16)]
    with_second = [node for node in nodes if await answers_to(layer_redis(node), second_valkey)]
    assert 0 < len(with_second) < len(nodes)

    async def everybody_hears(who: list[NodeId], said: str) -> None:
        hearing = [asyncio.create_task(layer.receive(node)) for node in who]
        for node in who:
            while not (await layer_redis(node).pubsub_numsub(node))[0][1]:
                await asyncio.sleep(0.01)
        message = layer.serialize({"type": said})
        with contextlib.suppress(RedisError):
            await send_to_nodes(dict.fromkeys(nodes, message))
        assert await asyncio.gather(*hearing) == [{"type": said}] * len(who)

    await everybody_hears(nodes, "both")
    with redis_sync.Redis.from_url(second_valkey) as client:
        client.shutdown(nosave=True)
    await everybody_hears([node for node in nodes if node not in with_second], "one")
    for redis in {layer_redis(node) for node in nodes}:
        await redis.aclose()
    await layer.flush()


async def test_listening_node_reads_as_often_as_there_is_a_message(
    second_valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked ten times a second: half of the processor time of a node on which nothing happens."""
    reads = 0
    parse = PubSub.parse_response

    async def counted(self: PubSub, *args: Any, **kwargs: Any) -> Any:
        nonlocal reads
        reads += 1
        return await parse(self, *args, **kwargs)

    monkeypatch.setattr(PubSub, "parse_response", counted)
    for node in (NodeId("live.node.test.0"), NodeId("live.node.test.1"), NodeId("live.node.test.2")):
        reads = 0
        async with contextlib.aclosing(messages_to(node)) as messages:
            hearing = asyncio.ensure_future(anext(messages))
            for number in range(3):
                while not await send_to_nodes({node: msgpack.packb({"type": str(number)})}):
                    await asyncio.sleep(0.01)
                assert await hearing == {"type": str(number)}
                hearing = asyncio.ensure_future(anext(messages))
            await end(hearing)
        assert reads <= 1 + 3 + 1, "of the subscription, of each message, and the last one, which waits"


async def answers_to(client: Redis, url: str) -> bool:
    port = (await client.info("server"))["tcp_port"]
    return bool(port == urlsplit(url).port)
