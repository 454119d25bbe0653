"""What a region watches, and the queues to its peers: on a real Redis."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable

import msgpack
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.events import NodeId, TopicName
from realtime.relay import table as relay_table
from realtime.relay.interest import BITMAP_BYTES, BITS, COUNTS_SECONDS, REBUILD_SECONDS, Interest, bitmap_of, is_in
from realtime.relay.table import Outbox, RelayTable
from realtime.table.subscriptions import Watched

A, B = NodeId("node-a"), NodeId("node-b")
ONE, TWO = TopicName("video:1"), TopicName("video:2")


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid.uuid4().hex}:"


@pytest.fixture
async def table(redis: Redis, prefix: str) -> RelayTable:
    return RelayTable(redis, lease_seconds=15, prefix=prefix)


@pytest.fixture
async def away() -> RelayTable:
    """A table whose Redis is not there."""
    client = Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0))
    return RelayTable(client, lease_seconds=15)


async def watched(table: RelayTable, topics: Iterable[str]) -> list[bool]:
    """Return which of the topics the region watches, as its relay reads them."""
    found = await table.gather("", bitmap_bytes=BITMAP_BYTES)
    assert found is not None and found.bitmap is not None
    return [is_in(topic, found.bitmap) for topic in topics]


def interest(node: NodeId, table: RelayTable, topics: set[str], *, clock: list[float] | None = None) -> Interest:
    return Interest(node, table, lambda: topics, clock=lambda: (clock or [0.0])[0])


# The digest


def test_digest_has_all_of_its_topics_and_hardly_any_other() -> None:
    chance = random.Random(1)
    topics = [f"video:{uuid.UUID(int=chance.getrandbits(128))}" for _ in range(20_000)]
    bitmap = bitmap_of(topics[:10_000])
    assert all(is_in(topic, bitmap) for topic in topics[:10_000])
    strangers = sum(is_in(topic, bitmap) for topic in topics[10_000:])
    expected = 10_000 * (2 * 10_000 / BITS) ** 2
    assert strangers < 5 * expected


async def test_region_watches_what_its_nodes_serve(table: RelayTable) -> None:
    first, second = interest(A, table, {ONE}), interest(B, table, set())
    await first.report()
    await second.report()
    assert await watched(table, [ONE, TWO]) == [True, False]
    second.add(TWO)
    await second.report()
    assert await watched(table, [ONE, TWO]) == [True, True]


async def test_nobody_knows_what_a_region_without_nodes_watches(table: RelayTable) -> None:
    assert await table.gather("", bitmap_bytes=BITMAP_BYTES) is None


async def test_digest_that_is_known_is_not_sent_again(table: RelayTable) -> None:
    await interest(A, table, {ONE}).report()
    found = await table.gather("", bitmap_bytes=BITMAP_BYTES)
    assert found is not None and found.bitmap is not None
    again = await table.gather(found.digest, bitmap_bytes=BITMAP_BYTES)
    assert again is not None and again.bitmap is None


async def test_topic_that_was_dropped_leaves_the_digest_when_it_is_made_anew(table: RelayTable) -> None:
    clock, topics = [0.0], {str(ONE), str(TWO)}
    told = interest(A, table, topics, clock=clock)
    await told.report()
    topics.remove(TWO)
    told.drop(TWO)
    await told.report()
    assert await watched(table, [ONE, TWO]) == [True, True], "dropping costs nothing for a while"
    clock[0] += REBUILD_SECONDS
    await told.report()
    assert await watched(table, [ONE, TWO]) == [True, False]


async def test_flushed_table_is_told_everything_again(table: RelayTable, redis: Redis, prefix: str) -> None:
    told = interest(A, table, {ONE})
    await told.report()
    for key in await redis.keys(f"{prefix}*"):
        await redis.delete(key)
    told.add(TWO)
    await told.report()
    assert await watched(table, [ONE]) == [True]


async def test_numbers_of_viewers_are_reported_when_they_change_and_again_after_a_while(
    table: RelayTable, redis: Redis, prefix: str
) -> None:
    """Numbers that nobody repeats no longer count after a while, and those of a quiet topic do not change."""

    async def counts() -> object:
        found = await table.gather("", bitmap_bytes=BITMAP_BYTES)
        assert found is not None
        return found.counts

    clock = [0.0]
    told = interest(A, table, {ONE, TWO}, clock=clock)
    told.count(ONE, Watched(3, 4))
    told.count(TWO, Watched(1, 1))
    await told.report()
    assert await counts() == {ONE: (3, 4), TWO: (1, 1)}
    await redis.delete(f"{prefix}{{interest}}:counts")
    told.count(ONE, Watched(2, 4))
    await told.report()
    assert await counts() == {ONE: (2, 4)}
    told.drop(ONE)
    clock[0] += COUNTS_SECONDS
    await redis.delete(f"{prefix}{{interest}}:counts")
    await told.report()
    assert await counts() == {TWO: (1, 1)}


async def test_what_was_not_told_is_told_when_redis_is_back(
    table: RelayTable, away: RelayTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = interest(A, table, {ONE})
    told.count(ONE, Watched(3, 4))
    with monkeypatch.context() as patch:
        for call in ("watch", "watch_all", "count"):
            patch.setattr(table, call, getattr(away, call))
        await told.report()
    await told.report()
    found = await table.gather("", bitmap_bytes=BITMAP_BYTES)
    assert found is not None and found.counts == {ONE: (3, 4)}
    assert await watched(table, [ONE]) == [True]


# Queues


async def queued(table: RelayTable, peer: str) -> list[object]:
    """Return the events that wait for a peer."""
    entries = await table.pop(peer, most=100, wait_seconds=0.01)
    return [event for entry in entries for event in msgpack.unpackb(entry)[1]]


async def test_peer_gets_what_it_watches_and_a_silent_one_everything(table: RelayTable) -> None:
    await table.keep_interest("us", bitmap_of([ONE]))
    outbox = Outbox(table, ["us", "ap"])
    events = [(topic, msgpack.packb(["d", topic])) for topic in (ONE, TWO)]
    await outbox.offer(events, {"region": "eu"})
    assert await queued(table, "us") == [["d", ONE]]
    assert await queued(table, "ap") == [["d", ONE], ["d", TWO]]


async def test_peer_that_watches_nothing_gets_nothing(table: RelayTable) -> None:
    await table.keep_interest("us", bitmap_of([]))
    await Outbox(table, ["us"]).offer([(ONE, msgpack.packb(["d", ONE]))], {})
    assert await table.waiting(["us"]) == [0]


async def test_new_interest_of_a_peer_is_seen_at_the_next_look(table: RelayTable) -> None:
    now = [0.0]
    outbox = Outbox(table, ["us"], clock=lambda: now[0])
    await table.keep_interest("us", bitmap_of([]))
    await outbox.offer([(ONE, msgpack.packb(["d", ONE]))], {})
    await table.keep_interest("us", bitmap_of([ONE]))
    now[0] += 1
    await outbox.offer([(ONE, msgpack.packb(["d", ONE]))], {})
    assert await queued(table, "us") == [["d", ONE]]


async def test_queue_of_a_dead_peer_keeps_the_newest(table: RelayTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_table, "QUEUE_MAX_ENTRIES", 3)
    outbox = Outbox(table, ["us"])
    for number in range(5):
        await outbox.offer([(ONE, msgpack.packb(["d", ONE, number]))], {})
    assert await queued(table, "us") == [["d", ONE, number] for number in (2, 3, 4)]


async def test_redis_away_costs_the_dispatcher_nothing_but_the_relay(away: RelayTable) -> None:
    await Outbox(away, ["us"]).offer([(ONE, msgpack.packb(["d", ONE]))], {})
