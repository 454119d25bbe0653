"""Who watches what: the local table, and the shared table's contract on the real Redis and on the fake."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.events import NodeId, TopicName
from realtime.node.members import MemberList
from realtime.table.counting import is_sampled
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import Share, SharedTable, Told, Watched
from tests.realtime.fakes import NOTHING, FakeTable, viewers
from tests.watching import HANG_SECONDS

A, B = NodeId("node-a"), NodeId("node-b")
ONE, TWO = TopicName("video:1"), TopicName("video:2")
Table = SharedTable | FakeTable


def new_table(kind: str, redis: Redis, lease_seconds: float) -> Table:
    if kind == "fake":
        return FakeTable(lease_seconds=lease_seconds)
    return SharedTable(redis, lease_seconds=lease_seconds, prefix=f"test:{uuid.uuid4().hex}:")


@pytest.fixture(params=["redis", "fake"])
async def table(request: pytest.FixtureRequest, redis: Redis) -> Table:
    """The table, with leases that outlast a test."""
    return new_table(request.param, redis, 60)


@pytest.fixture(params=["redis", "fake"])
async def forgetful_table(request: pytest.FixtureRequest, redis: Redis) -> Table:
    """The table, with leases of 0.2 s. A busy machine may take longer between two lines of a test."""
    return new_table(request.param, redis, 0.2)


@pytest.fixture(params=["redis", "fake"])
async def small_table(request: pytest.FixtureRequest, redis: Redis) -> Table:
    """The table, that keeps 100 keys of a topic at most."""
    if request.param == "fake":
        return FakeTable(lease_seconds=15, sample_max=100, sample_few=45)
    return SharedTable(redis, lease_seconds=15, prefix=f"test:{uuid.uuid4().hex}:", sample_max=100, sample_few=45)


async def test_node_is_found_for_the_topics_that_it_renewed(table: Table) -> None:
    await table.renew(A, {ONE: NOTHING, TWO: NOTHING})
    await table.renew(B, {TWO: NOTHING})
    assert await table.nodes_for([ONE, TWO]) == {ONE: {A}, TWO: {A, B}}


async def test_node_is_found_for_the_topics_that_it_entered_without_a_count(table: Table) -> None:
    topics = [TopicName(f"user:{number}") for number in range(300)]
    await table.enter(A, topics)
    await table.enter(B, topics[:1])
    assert await table.nodes_for(topics) == {topics[0]: {A, B}, **{key: {A} for key in topics[1:]}}
    await table.leave(B, topics)
    assert (await table.nodes_for(topics[:1]))[topics[0]] == {A}


async def test_thousand_topics_are_looked_up_in_a_handful_of_commands(redis: Redis) -> None:
    table = SharedTable(redis, lease_seconds=15, prefix=f"test:{uuid.uuid4().hex}:")
    topics = [TopicName(f"video:{number}") for number in range(1_000)]
    await table.renew(A, dict.fromkeys(topics, NOTHING))
    await table.renew(B, dict.fromkeys(topics[::2], NOTHING))
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


async def watched_after(table: Table, node: NodeId, share: Share, topic: TopicName = ONE) -> Watched:
    return (await table.renew(node, {topic: share}))[topic].watched


async def test_renewal_answers_the_viewers_of_all_nodes(table: Table) -> None:
    await table.renew(A, {ONE: viewers([1, 2, 3])})
    assert await watched_after(table, B, viewers([4, 5, 6, 7])) == Watched(7, 7)
    assert await watched_after(table, A, viewers([1])) == Watched(5, 7)
    assert await table.watched([ONE]) == {ONE: Watched(5, 7)}


async def test_viewer_on_two_nodes_is_one(table: Table) -> None:
    await table.renew(A, {ONE: viewers([1, 2, 3])})
    assert await watched_after(table, B, viewers([3, 4])) == Watched(4, 4)
    assert await watched_after(table, A, Share(2, sampled=2, left=[3])) == Watched(4, 4)
    assert await watched_after(table, B, Share(1, sampled=1, left=[3])) == Watched(3, 4)


async def test_what_is_told_twice_counts_once(table: Table) -> None:
    """The answer to a renewal may get lost: then nobody knows whether it was heard."""
    await table.renew(A, {ONE: viewers([1, 2])})
    for _ in range(2):
        assert await watched_after(table, A, Share(2, sampled=2, joined=[3], left=[2])) == Watched(2, 2)
    await table.renew(B, {ONE: viewers([3])})
    assert await watched_after(table, A, Share(1, sampled=1, left=[3])) == Watched(2, 2)


async def test_table_that_knows_less_than_a_node_thinks_asks_for_all(table: Table) -> None:
    answer = (await table.renew(A, {ONE: Share(3, sampled=3, joined=[3])}))[ONE]
    assert answer.is_lost
    answer = (await table.renew(A, {ONE: viewers([1, 2, 3])}))[ONE]
    assert (answer.is_lost, answer.watched) == (False, Watched(3, 3))


async def test_count_of_a_moment_in_which_not_all_is_said_is_no_peak(table: Table) -> None:
    """A viewer who has gone from one node to another would be two."""
    await table.renew(A, {ONE: viewers([1, 2, 3])})
    half = (await table.renew(B, {ONE: Share(3, sampled=3, joined=[3], is_whole=True, is_all=False)}))[ONE]
    assert half.watched.peak == 3
    whole = (await table.renew(B, {ONE: Share(3, sampled=3, joined=[2, 1])}))[ONE]
    assert whole.watched == Watched(3, 3)


async def test_peak_that_a_node_remembers_comes_back_after_a_flush(table: Table) -> None:
    assert await watched_after(table, A, viewers([1, 2, 3], peak=50)) == Watched(3, 50)


async def test_names_are_those_of_nodes_with_a_lease(table: Table) -> None:
    assert await table.named(ONE) == set()
    await table.renew(A, {ONE: viewers([1, 2], names=frozenset(("ada", "bo")), is_named=True)})
    await table.renew(B, {ONE: viewers([2, 3], names=frozenset(("bo", "cy")), is_named=True)})
    await table.renew(A, {ONE: Share(2, sampled=2, is_named=True)})
    assert await table.named(ONE) == {"ada", "bo", "cy"}
    await table.renew(A, {ONE: Share(2, sampled=2, names=frozenset())})
    assert await table.named(ONE) == {"bo", "cy"}
    await table.leave(B, [ONE])
    assert await table.named(ONE) == set()


async def test_viewers_are_found_by_their_keys(table: Table) -> None:
    assert await table.present(ONE, [1, -2]) == set()
    await table.renew(A, {ONE: viewers([1, -2])})
    await table.renew(B, {ONE: viewers([-2, 3])})
    assert await table.present(ONE, [1, -2, 4]) == {1, -2}
    assert await table.present(ONE, []) == set()
    await table.leave(A, [ONE])
    assert await table.present(ONE, [1, -2]) == {-2}
    await table.leave(B, [ONE])
    assert await table.present(ONE, [3]) == set()


async def test_names_that_the_table_has_lost_are_asked_for(table: Table) -> None:
    assert (await table.renew(A, {ONE: viewers([1], is_named=True)}))[ONE].is_lost


async def test_big_room_is_sampled_and_small_again_exact(small_table: Table) -> None:
    """`small_table` keeps 100 keys at most."""
    keys = range(300)
    told = (await small_table.renew(A, {ONE: viewers(keys)}))[ONE]
    assert (told.watched.count, told.level) == (300, 2)
    sample = [key for key in keys if not key & 3]
    gone = [key for key in keys if key & 3]
    told = (await small_table.renew(A, {ONE: Share(300, level=2, sampled=len(sample), left=gone)}))[ONE]
    assert (told.watched, told.level, told.is_lost) == (Watched(300, 300), 2, False)
    # A third of a second node's viewers are on the first one too.
    others = range(200, 500)
    await small_table.renew(B, {ONE: viewers(others)})
    answer = (await small_table.renew(B, {ONE: sample_of(others, 3)}))[ONE]
    assert answer.level == 3
    answer = (await small_table.renew(A, {ONE: sample_of(keys, 3)}))[ONE]
    assert answer.watched.count == answer.watched.peak == pytest.approx(500, abs=12)
    await small_table.leave(B, [ONE])
    told = (await small_table.renew(A, {ONE: Share(20, level=3, sampled=0, left=[k for k in keys if not k & 7])}))[ONE]
    while told.level:  # the real one waits until all nodes have had the time to come back after a flush
        told = (await small_table.renew(A, {ONE: Share(20, level=told.level, is_whole=True)}))[ONE]
    assert await watched_after(small_table, A, viewers(range(20))) == Watched(20, answer.watched.peak)


def sample_of(keys: Iterable[int], level: int) -> Share:
    """Return what a node tells the table that wants that level's sample."""
    kept = [key for key in keys if is_sampled(key, level)]
    return replace(viewers(kept), viewers=len(list(keys)), level=level)


@pytest.mark.parametrize("is_counted", [True, False])
async def test_silent_node_is_gone_after_its_lease(forgetful_table: Table, is_counted: bool) -> None:
    if is_counted:
        await forgetful_table.renew(A, {ONE: viewers([1, 2, 3])})
    else:
        await forgetful_table.enter(A, [ONE])
    async with asyncio.timeout(HANG_SECONDS):
        while await forgetful_table.nodes_for([ONE]) != {ONE: frozenset()}:
            await asyncio.sleep(0.01)
    assert (await forgetful_table.watched([ONE]))[ONE].count == 0
    assert (await watched_after(forgetful_table, B, viewers([1]))).count == 1


async def test_node_that_leaves_is_gone_at_once(table: Table) -> None:
    await table.renew(A, {ONE: viewers([1, 2, 3])})
    await table.renew(B, {ONE: viewers([3, 4])})
    await table.leave(A, [ONE])
    assert await table.nodes_for([ONE]) == {ONE: {B}}
    assert (await table.watched([ONE]))[ONE].count == 2


async def test_node_without_viewers_news_renews_its_lease_and_hears_what_others_change(table: Table) -> None:
    first = await table.hold(A, read=0)
    assert (first.is_known, first.is_swept, list(first.news)) == (False, True, [])
    held = await table.hold(A, read=first.read)
    assert held.is_known
    await table.renew(A, {ONE: viewers([1]), TWO: viewers([2])})
    assert not (await table.hold(A, read=held.read)).news, "nobody else is there"
    await table.renew(B, {ONE: viewers([3])})
    held = await table.hold(A, read=held.read)
    assert list(held.news) == [ONE]
    assert list((await table.hold(A, read=first.read)).news) == [ONE], "the answer may have got lost"
    assert not (await table.hold(A, read=held.read)).news
    await table.leave(B, [ONE])
    assert list((await table.hold(A, read=held.read)).news) == [ONE]


async def test_answer_that_a_node_must_enter_all_again_may_get_lost(table: Table) -> None:
    lost = await table.hold(A, read=0)
    assert not lost.is_known
    again = await table.hold(A, read=0)
    assert not again.is_known
    assert (await table.hold(A, read=again.read)).is_known


async def test_node_that_released_its_lease_is_gone_and_enters_all_again_if_it_comes_back(table: Table) -> None:
    read = (await table.hold(A, read=0)).read
    await table.renew(A, {ONE: viewers([1])})
    await table.enter(A, [TWO])
    read_of_b = (await table.hold(B, read=0)).read
    await table.renew(B, {ONE: viewers([2])})
    await table.release(A)
    assert await table.nodes_for([ONE, TWO]) == {ONE: {B}, TWO: frozenset()}
    held = await table.hold(B, read=read_of_b)
    assert not held.is_swept
    while not await table.sweep():
        pass
    assert await table.entered(A) == set()
    held = await table.hold(B, read=held.read)
    assert (held.is_swept, list(held.news)) == (True, [ONE])
    assert (await watched_after(table, B, Share(1, sampled=1))).count == 1
    assert not (await table.hold(A, read=read)).is_known


async def test_table_says_which_entries_it_does_not_have(table: Table) -> None:
    await table.renew(A, {ONE: viewers([1, 2])})
    await table.enter(A, [TWO])
    three = TopicName("video:3")
    entries = {ONE: Told(2, 0), TWO: None, three: None}
    assert await table.missing(A, entries) == [three]
    assert await table.missing(A, {ONE: Told(1, 0)}) == [ONE]
    assert await table.missing(B, {TWO: None}) == [TWO]
    assert await table.entered(A) == {ONE, TWO}


async def test_nodes_of_the_release_before_are_found(redis: Redis) -> None:
    """They have a lease for each topic. Dispatchers get the new release first."""
    prefix = f"test:{uuid.uuid4().hex}:"
    await redis.zadd(f"{prefix}leases:{{{ONE}}}", {A: time.time() * 1000 + 60_000, B: time.time() * 1000 - 60_000})
    table = SharedTable(redis, lease_seconds=15, prefix=prefix)
    assert await table.nodes_for([ONE]) == {ONE: {A}}


async def test_quiet_topics_cost_a_node_a_handful_of_commands(redis: Redis) -> None:
    """It was 17 commands for each topic, every two seconds."""
    table = SharedTable(redis, lease_seconds=60, prefix=f"test:{uuid.uuid4().hex}:")
    read = (await table.hold(A, read=0)).read
    await table.renew(A, {TopicName(f"video:{number}"): viewers([number]) for number in range(1_000)})
    before = await commands(redis)
    await table.hold(A, read=read)
    assert await commands(redis) - before <= 15


async def test_many_topics_of_a_dead_node_are_swept_some_at_a_time(redis: Redis) -> None:
    """Redis serves nobody else meanwhile."""
    table = SharedTable(redis, lease_seconds=60, prefix=f"test:{uuid.uuid4().hex}:")
    await table.renew(A, {TopicName(f"video:{number}"): viewers([number]) for number in range(200)})
    await table.renew(B, {ONE: viewers([1])})
    await table.release(A)
    calls, most, is_swept = 0, 0, False
    while not is_swept:
        before = await commands(redis)
        is_swept = await table.sweep()
        calls, most = calls + 1, max(most, await commands(redis) - before)
    assert calls >= 4
    assert most <= 50 * 25
    assert (await table.watched([ONE]))[ONE].count == 1


async def commands(redis: Redis) -> int:
    """Return how many commands Redis has run, those of scripts included."""
    return sum(numbers["calls"] for numbers in (await redis.info("commandstats")).values())


async def test_table_survives_a_flush_of_redis_and_of_its_scripts(redis: Redis) -> None:
    table = SharedTable(redis, lease_seconds=5, prefix=f"test:{uuid.uuid4().hex}:")
    await table.renew(A, {ONE: viewers([1])})
    await redis.script_flush()
    await table.renew(A, {ONE: viewers([1])})
    assert await table.nodes_for([ONE]) == {ONE: {A}}


async def test_renewal_of_many_topics_is_one_round_trip(redis: Redis) -> None:
    table = SharedTable(redis, lease_seconds=5, prefix=f"test:{uuid.uuid4().hex}:")
    topics = {TopicName(f"video:{number}"): viewers([number]) for number in range(500)}
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


async def test_renewal_of_many_topics_is_a_few_script_calls(redis: Redis) -> None:
    """A call for each topic cost node and Redis as much as what it does."""
    table = SharedTable(redis, lease_seconds=5, prefix=f"test:{uuid.uuid4().hex}:")
    sizes = {f"video:{number}": range(1, 1 + (number * 7) % 11) for number in range(200)}
    topics = {TopicName(name): viewers(keys) for name, keys in sizes.items()}
    topics[TopicName("video:big")] = viewers(range(1, 1_200))
    await table.renew(A, topics)
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    answers = await table.renew(B, topics)
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before <= 12
    assert {name: answers[TopicName(name)].watched.count for name in sizes} == {n: len(k) for n, k in sizes.items()}
    assert answers[TopicName("video:big")].watched.count == 1_199
    assert await table.missing(B, {topic: Told(share.viewers, 0) for topic, share in topics.items()}) == []


async def test_redis_away_is_said_so() -> None:
    away = Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0), socket_connect_timeout=1)
    table = SharedTable(away, lease_seconds=5)
    for call in (
        table.renew(A, {ONE: viewers([1])}),
        table.nodes_for([ONE]),
        table.watched([ONE]),
        table.leave(A, [ONE]),
    ):
        with pytest.raises(TableUnavailable):
            await call
    with pytest.raises(TableUnavailable):
        await table.ping()


# The local table


def test_second_time_of_joining_changes_nothing() -> None:
    here: MemberList[str] = MemberList()
    here.add("ada")
    here.add("ada")
    assert (list(here), len(here), here.size) == (["ada"], 1, 1)


def test_frame_goes_to_those_who_were_there_when_it_was_made() -> None:
    here: MemberList[str] = MemberList()
    here.add("ada")
    size = here.size
    here.add("bo")
    assert here.members[:size] == ["ada"]


def test_who_left_is_a_hole_until_nothing_is_on_its_way() -> None:
    here: MemberList[int] = MemberList()
    for number in range(40):
        here.add(number)
    for number in range(30):
        here.discard(number)
    here.discard(99)
    assert here.members[:31] == [None] * 30 + [30]
    here.compact()
    assert here.members == list(range(30, 40))
    here.discard(35)
    assert list(here) == [30, 31, 32, 33, 34, 36, 37, 38, 39]
    assert here.members[5] is None
