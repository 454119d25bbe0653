"""The node in the shared table, and the numbers of viewers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime.events import NodeId, TopicName
from realtime.node import leases, repair
from realtime.node.node import Node
from realtime.table.subscriptions import Watched
from tests.kit import Clock, until
from tests.realtime.fakes import VIDEO, FakeStore, FakeTable, Viewer, viewers
from tests.realtime.node.shared import OTHER, count, totals


async def test_viewers_are_counted_over_all_nodes(node: Node, table: FakeTable) -> None:
    viewer = await Viewer(node).watch()
    await table.renew(NodeId("node-2"), {VIDEO: viewers(range(-4, 0))})
    await node.leases.renew()
    await until(lambda: bool(viewer.read()))
    assert (viewer.last("viewers")["count"], viewer.last("viewers")["peak"]) == (5, 5)


async def test_dead_nodes_viewers_leave_with_its_lease(node: Node, table: FakeTable, clock: Clock) -> None:
    viewer = await Viewer(node).watch()
    await table.renew(NodeId("node-2"), {VIDEO: viewers(range(-4, 0))})
    await node.leases.renew()
    clock.advance(seconds=16)
    await node.leases.renew()
    await until(lambda: viewer.last("viewers")["count"] == 1)
    assert viewer.last("viewers")["peak"] == 5


async def test_flushed_table_has_everything_again_after_one_renewal(node: Node, table: FakeTable) -> None:
    await Viewer(node).watch(VIDEO)
    await Viewer(node).watch(OTHER)
    await node.leases.renew()
    table.flush()
    await node.leases.renew()
    assert await table.nodes_for([VIDEO, OTHER]) == {VIDEO: {"node-1"}, OTHER: {"node-1"}}
    assert (await table.watched([VIDEO]))[VIDEO].peak == 1


async def test_table_away_keeps_the_last_numbers_for_a_lease_then_counts_its_own(
    node: Node, table: FakeTable, clock: Clock
) -> None:
    viewer = await Viewer(node).watch()
    await table.renew(NodeId("node-2"), {VIDEO: viewers(range(-4, 0))})
    await node.leases.renew()
    table.is_away = True
    await Viewer(node).watch()
    await node.leases.renew()
    await until(lambda: viewer.last("viewers")["count"] == 6)
    clock.advance(seconds=16)
    await node.leases.renew()
    await until(lambda: viewer.last("viewers")["count"] == 2)


async def test_peak_is_kept_in_the_database(node: Node, store: FakeStore) -> None:
    await Viewer(node).watch()
    await node.leases.renew()
    await node.repair.reconcile()
    assert store.peaks == {VIDEO: 1}


async def test_topic_without_viewers_lingers_then_leaves_the_table(
    node: Node, table: FakeTable, store: FakeStore, clock: Clock
) -> None:
    viewer = await Viewer(node).watch()
    node.remove(viewer.connection)
    await node.leases.renew()
    assert (await Viewer(node).watch()).opening["seq"] == 0, "who comes back at once is served from memory"
    assert store.calls == ["load"]
    node.remove(next(iter(node.connections.values())))
    clock.advance(seconds=11)
    await node.leases.renew()
    assert VIDEO not in node.feeds
    assert await table.nodes_for([VIDEO]) == {VIDEO: frozenset()}


async def test_viewer_count_alone_can_wait_in_a_crowd_and_rides_along_with_likes(
    node: Node, store: FakeStore, clock: Clock
) -> None:
    """While 100,000 came, each step of their number was sent to all who were there: most of what the site did."""
    viewer = await Viewer(node).watch()
    feed = node.feeds[VIDEO]
    await until(lambda: not feed.sending.is_due)
    feed.sending.sent_at, feed.sending.rest_seconds = clock(), 0.1  # as after a fan-out to many
    node.leases.set_watched(feed, Watched(5_000, 5_000))
    assert feed.sending.due_at - clock() == pytest.approx(0.8)
    node.deliver([totals(1, {"like": 1})])
    assert feed.sending.due_at - clock() == pytest.approx(0.1)
    node.fanout.send_waiting(feed)
    assert [name for name, _ in viewer.read()][-2:] == ["likes", "viewers"]
    feed.sending.rest_seconds = 10.0
    node.leases.set_watched(feed, Watched(6_000, 6_000))
    assert feed.sending.due_at - clock() == pytest.approx(2.0), "never older than that"


async def test_reconnect_between_two_renewals_is_told_to_nobody(node: Node, table: FakeTable) -> None:
    viewer = await Viewer(node, key=7).watch()
    identity = await Viewer(node).watch()
    await node.leases.renew()
    await until(lambda: identity.last("viewers")["count"] == 2)
    before = len(identity.read())
    node.remove(viewer.connection)
    await Viewer(node, key=7).watch()
    await node.leases.renew(full=False)
    node.deliver([totals(1, {"like": 1})])
    await until(lambda: identity.last("likes")["total"] == 1)
    assert [name for name, _ in identity.read()[before:]] == ["likes"]


async def test_table_away_raises_no_peak_but_by_those_who_are_here(node: Node, table: FakeTable, clock: Clock) -> None:
    """Viewers who move here from another node would be counted twice while nobody can say so."""
    await table.renew(NodeId("node-2"), {VIDEO: viewers(range(-4, 0))})
    first = await Viewer(node).watch()
    await node.leases.renew()
    await until(lambda: first.last("viewers")["peak"] == 5)
    table.is_away = True
    for key in range(-4, 0):
        await Viewer(node, key=key).watch()
    await node.leases.renew()
    await until(lambda: first.last("viewers")["count"] == 9)
    assert first.last("viewers")["peak"] == 5
    await Viewer(node).watch()
    await node.leases.renew()
    await until(lambda: first.last("viewers")["peak"] == 6)


async def test_change_that_the_table_did_not_hear_is_told_with_the_next_renewal(node: Node, table: FakeTable) -> None:
    await Viewer(node).watch()
    await node.leases.renew()
    table.is_away = True
    viewer = await Viewer(node).watch()
    await Viewer(node).watch()
    await node.leases.renew()
    node.remove(viewer.connection)
    table.is_away = False
    assert await count(node, table) == 2


async def test_new_viewers_are_written_with_the_next_look_at_the_database(
    node: Node, store: FakeStore, table: FakeTable
) -> None:
    first = await Viewer(node, key=7).watch()
    await Viewer(node, key=8).watch()
    store.is_away = True
    await node.repair.reconcile()
    store.is_away = False
    await node.repair.reconcile()
    assert store.seen == {VIDEO: {7, 8}}
    node.remove(first.connection)
    await Viewer(node, key=7).watch()
    store.calls.clear()
    await node.repair.reconcile()
    await node.repair.reconcile()
    assert store.calls == ["changes", "heads", "save_seen", "changes", "heads"], (
        "he may have been gone for long: told once more, and no more"
    )


async def test_look_at_the_database_passes_over_topics_whose_viewers_have_not_changed(
    node: Node, store: FakeStore
) -> None:
    for number in range(1, 51):
        store.create(TopicName(f"video:{number}"))
        await Viewer(node, key=number).watch(TopicName(f"video:{number}"))
    await node.leases.renew()
    store.is_away = True
    await node.repair.reconcile()
    assert len(node.leases.counted) == 50
    store.is_away = False
    await node.repair.reconcile()
    assert node.leases.counted == set()
    assert (len(store.seen), len(store.peaks)) == (50, 50)
    await Viewer(node, key=77).watch()
    assert node.leases.counted == {node.feeds[VIDEO]}
    await node.repair.reconcile()
    assert store.seen[VIDEO] == {1, 77} and node.leases.counted == set()


async def test_node_that_ends_has_written_who_was_there(node: Node, store: FakeStore) -> None:
    for key in range(1, 4):
        await Viewer(node, key=key).watch()
    await node.drain(window_seconds=0)
    assert store.seen == {VIDEO: {1, 2, 3}}


async def test_crowd_is_told_and_written_in_parts(
    node: Node, store: FakeStore, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SENT_MAX_KEYS", 10)
    monkeypatch.setattr(repair, "WRITTEN_MAX_KEYS", 10)
    first = await Viewer(node, key=1).watch()
    await node.leases.renew()
    for key in range(2, 26):
        await Viewer(node, key=key).watch()
    for _ in range(3):
        await node.leases.renew(full=False)
    await until(lambda: first.last("viewers")["count"] == 25)
    assert not node.feeds[VIDEO].viewers.has_news
    for written in (10, 20, 25):
        await node.repair.reconcile()
        assert len(store.seen[VIDEO]) == written


async def test_quiet_topics_are_not_sent_to_the_table(node: Node, table: FakeTable) -> None:
    """Each was renewed every two seconds."""
    await Viewer(node).watch(VIDEO)
    await Viewer(node).watch(OTHER)
    await node.leases.renew()
    table.calls.clear()
    for _ in range(3):
        await node.leases.renew()
    assert {name for name, topics in table.calls if topics} <= {"missing"}
    assert [name for name, _ in table.calls].count("hold") == 3


async def test_entry_that_the_table_has_lost_comes_back(
    node: Node, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "CHECK_SECONDS", 4.0)  # two renewals
    await Viewer(node).watch(VIDEO)
    await Viewer(node).watch(OTHER)
    await node.leases.renew()
    for topic in (VIDEO, OTHER):
        table.lose(topic, node.id)
        for _ in range(3):
            await node.leases.renew()
        assert (await table.nodes_for([topic]))[topic] == {node.id}
        assert (await table.watched([topic]))[topic].count == 1


async def test_topic_that_was_deleted_leaves_the_table(node: Node, table: FakeTable) -> None:
    await Viewer(node).watch(VIDEO)
    node.end(node.feeds[VIDEO])
    await node.leases.renew()
    assert await table.nodes_for([VIDEO]) == {VIDEO: frozenset()}


async def test_viewer_who_comes_back_while_the_topic_leaves_the_table_is_entered_after_that(
    node: Node, table: FakeTable, clock: Clock
) -> None:
    """Both go over connections of their own. A leave that came last would take out a topic that is watched."""
    viewer = await Viewer(node).watch()
    node.remove(viewer.connection)
    await node.leases.renew()
    clock.advance(seconds=11)
    leave, go_on, began = table.leave, asyncio.Event(), asyncio.Event()

    async def leave_late(*args: Any, **kwargs: Any) -> None:
        began.set()
        await go_on.wait()
        await leave(*args, **kwargs)

    table.leave = leave_late  # type: ignore[method-assign]
    renewing = asyncio.create_task(node.leases.renew())
    await began.wait()
    coming = asyncio.create_task(Viewer(node).watch())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(renewing, coming)
    assert await table.nodes_for([VIDEO]) == {VIDEO: {node.id}}


async def test_topics_that_come_together_enter_the_table_together(node: Node, table: FakeTable) -> None:
    await asyncio.gather(*(Viewer(node).watch(topic) for topic in (VIDEO, OTHER)))
    entering = [topics for name, topics in table.calls if name == "renew"]
    assert entering == [(VIDEO, OTHER)]
