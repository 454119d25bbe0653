"""The node on fakes: who joins, and who gets what, in which order."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from realtime.events import TopicName, to_wire
from realtime.log.store import StoreUnavailable, TopicGone
from realtime.node.node import Node
from tests.kit import until
from tests.realtime.fakes import VIDEO, FakeStore, FakeTable, Viewer
from tests.realtime.node.shared import OTHER


async def test_first_viewer_reads_the_topic_and_the_second_costs_nothing(node: Node, store: FakeStore) -> None:
    store.note("before")
    first = await Viewer(node).watch()
    second = await Viewer(node, is_sse=False).watch()
    assert first.opening == second.opening
    assert first.opening["seq"] == 1
    assert first.opening["snapshot"]["notes"] == ["before"]
    assert store.calls == ["load"]


async def test_a_herd_shares_one_read_of_the_database(node: Node, store: FakeStore) -> None:
    store.hold = asyncio.Event()
    coming = [asyncio.create_task(Viewer(node).watch()) for _ in range(100)]
    await until(lambda: store.calls == ["load"])
    store.hold.set()
    viewers = await asyncio.gather(*coming)
    assert store.calls == ["load"]
    assert all(viewer.opening["seq"] == 0 for viewer in viewers)


async def test_node_enters_the_shared_table_before_it_reads_the_topic(
    node: Node, table: FakeTable, store: FakeStore
) -> None:
    """Else an event published between the two would reach neither the snapshot nor the node."""
    store.hold = asyncio.Event()
    coming = asyncio.create_task(Viewer(node).watch())
    await until(lambda: store.calls == ["load"])
    assert table.calls == [("renew", (VIDEO,))]
    store.hold.set()
    await coming


async def test_event_that_comes_while_the_topic_is_read_is_delivered_once(node: Node, store: FakeStore) -> None:
    store.hold = asyncio.Event()
    coming = asyncio.create_task(Viewer(node).watch())
    await until(lambda: store.calls == ["load"])
    before, after = store.note("in the snapshot"), None
    node.deliver([to_wire(before)])
    store.hold.set()
    viewer = await coming
    after = store.note("after it")
    node.deliver([to_wire(after)])
    assert viewer.opening["snapshot"]["notes"] == ["in the snapshot"]
    assert viewer.notes() == ["after it"]


async def test_unknown_topic_is_gone_and_leaves_nothing_behind(node: Node) -> None:
    for topic in ("video:none", "nothing:1"):
        with pytest.raises(TopicGone):
            await Viewer(node).watch(TopicName(topic))
    assert node.feeds == {}


async def test_database_away_refuses_the_first_viewer_and_lets_the_next_try(node: Node, store: FakeStore) -> None:
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await Viewer(node).watch()
    store.is_away = False
    assert (await Viewer(node).watch()).opening["seq"] == 0


async def test_viewer_who_leaves_while_waiting_does_not_take_the_read_from_the_others(
    node: Node, store: FakeStore
) -> None:
    store.hold = asyncio.Event()
    hasty, patient = (asyncio.create_task(Viewer(node).watch()) for _ in range(2))
    await until(lambda: store.calls == ["load"])
    hasty.cancel()
    store.hold.set()
    assert (await patient).opening["seq"] == 0
    with contextlib.suppress(asyncio.CancelledError):
        await hasty


async def test_durable_events_reach_both_protocols_in_order(node: Node, store: FakeStore) -> None:
    sse, websocket = await Viewer(node).watch(), await Viewer(node, is_sse=False).watch()
    fallback = await Viewer(node, direct=False).watch()
    node.deliver([to_wire(store.note("one")), to_wire(store.note("two"))])
    assert sse.notes() == websocket.notes() == fallback.notes() == ["one", "two"]


async def test_viewer_of_another_video_reads_nothing(node: Node, store: FakeStore) -> None:
    here, there = await Viewer(node).watch(VIDEO), await Viewer(node).watch(OTHER)
    node.deliver([to_wire(store.note("here"))])
    assert here.notes() == ["here"]
    assert there.notes() == []


async def test_event_that_comes_twice_is_delivered_once(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    event = to_wire(store.note("once"))
    node.deliver([event])
    node.deliver([event])
    assert viewer.notes() == ["once"]


async def test_unknown_items_of_the_layer_are_left_out(node: Node, store: FakeStore) -> None:
    """A rolling upgrade sends new kinds of messages: they must disconnect nobody."""
    viewer = await Viewer(node).watch()
    node.deliver([["z", "new"], None, {}, ["d", 1, 2], to_wire(store.note("known"))])
    assert viewer.notes() == ["known"]


async def test_topics_of_one_stream_are_entered_and_read_together(
    node: Node, table: FakeTable, store: FakeStore
) -> None:
    """One after the other, the first were dropped before the last were there: such a stream never opened."""
    await node.read_ahead([VIDEO, OTHER, TopicName("video:none")])
    assert [topics for name, topics in table.calls if name == "renew"] == [(VIDEO, OTHER, "video:none")]
    assert set(node.feeds) == {VIDEO, OTHER}
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await node.read_ahead([TopicName("video:3"), TopicName("video:4")])
