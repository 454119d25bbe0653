"""Who watches what: the local table, and the shared table's contract on the real Redis and on the fake."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.events import NodeId, TopicName
from realtime.scripts import TableUnavailable
from realtime.subscriptions import Audience, SharedTable, Watched
from tests.realtime.fakes import FakeTable

A, B = NodeId("node-a"), NodeId("node-b")
ONE, TWO = TopicName("video:1"), TopicName("video:2")
Table = SharedTable | FakeTable


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = Redis.from_url(os.environ["REDIS_URL"], retry=Retry(NoBackoff(), 0), socket_connect_timeout=1)
    yield client
    await client.aclose()


@pytest.fixture(params=["redis", "fake"])
async def table(request: pytest.FixtureRequest, redis: Redis) -> Table:
    """The table, with leases of 0.2 s."""
    if request.param == "fake":
        return FakeTable(lease_seconds=0.2)
    return SharedTable(redis, lease_seconds=0.2, prefix=f"test:{uuid.uuid4().hex}:")


async def test_node_is_found_for_the_topics_that_it_renewed(table: Table) -> None:
    await table.renew(A, {ONE: 1, TWO: 1})
    await table.renew(B, {TWO: 1})
    assert await table.nodes_for([ONE, TWO]) == {ONE: {A}, TWO: {A, B}}


async def test_node_is_found_for_the_topics_that_it_entered_without_a_count(table: Table) -> None:
    topics = [TopicName(f"user:{number}") for number in range(300)]
    await table.enter(A, topics)
    await table.enter(B, topics[:1])
    assert await table.nodes_for(topics) == {topics[0]: {A, B}, **{key: {A} for key in topics[1:]}}
    await table.leave(B, topics)
    assert (await table.nodes_for(topics[:1]))[topics[0]] == {A}
    await asyncio.sleep(0.25)
    assert await table.nodes_for(topics) == dict.fromkeys(topics, frozenset())


async def test_thousand_topics_are_looked_up_in_a_handful_of_commands(redis: Redis) -> None:
    table = SharedTable(redis, lease_seconds=15, prefix=f"test:{uuid.uuid4().hex}:")
    topics = [TopicName(f"video:{number}") for number in range(1_000)]
    await table.renew(A, dict.fromkeys(topics, 1))
    await table.renew(B, dict.fromkeys(topics[::2], 1))
    await table.nodes_for(topics[:1])  # loads the script
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    found = await table.nodes_for(topics)
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert [found[topic] for topic in topics] == [{A, B}, {A}] * 500
    assert after - before == 5


async def test_nobody_watches_an_unknown_topic(table: Table) -> None:
    assert await table.nodes_for([ONE]) == {ONE: frozenset()}
    assert await table.watched([ONE]) == {ONE: Watched(0, 0)}


async def test_no_topics_need_no_round_trip(table: Table) -> None:
    assert await table.nodes_for([]) == {}
    assert await table.renew(A, {}) == {}


async def test_renewal_answers_the_viewers_of_all_nodes(table: Table) -> None:
    await table.renew(A, {ONE: 3})
    assert await table.renew(B, {ONE: 4}) == {ONE: Watched(7, 7)}
    assert await table.renew(A, {ONE: 1}) == {ONE: Watched(5, 7)}
    assert await table.watched([ONE]) == {ONE: Watched(5, 7)}


async def test_peak_that_a_node_remembers_comes_back_after_a_flush(table: Table) -> None:
    assert await table.renew(A, {ONE: 3}, peaks={ONE: 50}) == {ONE: Watched(3, 50)}


async def test_silent_node_is_gone_after_its_lease(table: Table) -> None:
    await table.renew(A, {ONE: 3})
    async with asyncio.timeout(20):
        while await table.nodes_for([ONE]) != {ONE: frozenset()}:
            await asyncio.sleep(0.01)
    assert (await table.watched([ONE]))[ONE].count == 0
    assert (await table.renew(B, {ONE: 1}))[ONE].count == 1


async def test_node_that_leaves_is_gone_at_once(table: Table) -> None:
    await table.renew(A, {ONE: 3})
    await table.renew(B, {ONE: 2})
    await table.leave(A, [ONE])
    assert await table.nodes_for([ONE]) == {ONE: {B}}
    assert (await table.watched([ONE]))[ONE].count == 2


async def test_table_survives_a_flush_of_redis_and_of_its_scripts(redis: Redis) -> None:
    table = SharedTable(redis, lease_seconds=5, prefix=f"test:{uuid.uuid4().hex}:")
    await table.renew(A, {ONE: 1})
    await redis.script_flush()
    await table.renew(A, {ONE: 1})
    assert await table.nodes_for([ONE]) == {ONE: {A}}


async def test_renewal_of_many_topics_is_one_round_trip(redis: Redis) -> None:
    table = SharedTable(redis, lease_seconds=5, prefix=f"test:{uuid.uuid4().hex}:")
    topics = {TopicName(f"video:{number}"): 1 for number in range(500)}
    await table.renew(A, topics)
    trips = 0
    send = redis.connection_pool.connection_class.send_packed_command

    async def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal trips
        trips += 1
        await send(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis.connection_pool.connection_class, "send_packed_command", counted)
        await table.renew(A, topics)
        await table.nodes_for(list(topics))
    assert trips <= 3, "one for each call, one to load the second script"


async def test_redis_away_is_said_so() -> None:
    away = Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0), socket_connect_timeout=1)
    table = SharedTable(away, lease_seconds=5)
    for call in (table.renew(A, {ONE: 1}), table.nodes_for([ONE]), table.watched([ONE]), table.leave(A, [ONE])):
        with pytest.raises(TableUnavailable):
            await call
    with pytest.raises(TableUnavailable):
        await table.ping()


# The local table


def test_second_time_of_joining_changes_nothing() -> None:
    audience: Audience[str] = Audience()
    audience.add("ada")
    audience.add("ada")
    assert (list(audience), len(audience), audience.size) == (["ada"], 1, 1)


def test_frame_goes_to_those_who_were_there_when_it_was_made() -> None:
    audience: Audience[str] = Audience()
    audience.add("ada")
    size = audience.size
    audience.add("bo")
    assert audience.members[:size] == ["ada"]


def test_who_left_is_a_hole_until_nothing_is_on_its_way() -> None:
    audience: Audience[int] = Audience()
    for number in range(40):
        audience.add(number)
    for number in range(30):
        audience.discard(number)
    audience.discard(99)
    assert audience.members[:31] == [None] * 30 + [30]
    audience.compact()
    assert audience.members == list(range(30, 40))
    audience.discard(35)
    assert list(audience) == [30, 31, 32, 33, 34, 36, 37, 38, 39]
    assert audience.members[5] is None
