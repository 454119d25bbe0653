"""The shared table's Redis connection: a Redis that does not answer is an error in time, a dead connection is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime import shared
from realtime.scripts import TableUnavailable
from realtime.shared import shared_table


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
                writer.write((b"+PONG\r\n" if b"PING" in data else b"+OK\r\n") * commands)
        writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@pytest.fixture
async def redis(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeRedis]:
    fake = FakeRedis()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0?protocol=2"
    monkeypatch.setattr("django.conf.settings.REDIS_URL", url)
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 0.2)
    yield fake
    await shared_table()._redis.aclose()
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
