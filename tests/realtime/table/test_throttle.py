"""The limit that all nodes share: on a real Redis, past a restart, and in memory while Redis is away."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.limits import Limited, RateLimit
from realtime.table.throttle import Throttle
from tests.sites import free_port

PREFIX = "test-throttle:"


def made(redis: Redis, *, burst: int = 3, per_second: float = 0.001) -> Throttle:
    return Throttle(redis, RateLimit(burst, per_second), prefix=PREFIX)


@pytest.fixture(autouse=True)
async def _clean(redis: Redis) -> None:
    if keys := await redis.keys(f"{PREFIX}*"):
        await redis.delete(*keys)


async def test_nodes_share_it_and_a_restart_does_not_forget_it(redis: Redis) -> None:
    """Each node counted for itself: two nodes allowed twice as much, and a restart everything again."""
    for _ in range(3):
        await made(redis).take("vera")
    with pytest.raises(Limited) as refusal:
        await made(redis).take("vera")
    assert 0 < refusal.value.retry_seconds <= 1_000
    await made(redis).take("somebody else")


async def test_refused_takes_cost_nothing_and_time_gives_tokens_back(redis: Redis) -> None:
    throttle = made(redis, burst=1, per_second=20)
    await throttle.take("vera")
    async with asyncio.timeout(20):
        while True:  # one token comes every 50 ms, however often it is asked for
            try:
                await throttle.take("vera")
                break
            except Limited:
                await asyncio.sleep(0.01)


async def test_what_was_taken_for_nothing_is_given_back(redis: Redis) -> None:
    throttle = made(redis, burst=1)
    for _ in range(5):
        await throttle.take("vera")
        await throttle.give_back("vera")
    assert not await redis.keys(f"{PREFIX}*")


async def test_while_redis_is_away_it_counts_in_memory() -> None:
    nowhere = Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    limit = RateLimit(2, 0.001)
    for _ in range(2):
        await Throttle(nowhere, limit, prefix=PREFIX).take("vera")
    with pytest.raises(Limited):
        await Throttle(nowhere, limit, prefix=PREFIX).take("vera")
    await nowhere.aclose()
