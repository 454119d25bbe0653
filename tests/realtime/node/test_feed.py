"""State of a topic: what becomes a frame, and what it says."""

from __future__ import annotations

from realtime.events import Burst, now_ms, to_wire
from realtime.node.feed import RECEIVED_MAX
from realtime.node.node import Node
from tests.kit import Clock, until
from tests.realtime.fakes import VIDEO, Viewer
from tests.realtime.node.shared import totals

STAMPS = {"region": "local", "published": 1_003, "dispatched": 1_009}


async def test_likes_of_one_interval_become_one_frame(node: Node) -> None:
    viewer = await Viewer(node).watch()
    node.deliver([totals(number, {"like": number}, names=(f"n{number}",), at_ms=number) for number in range(1, 6)])
    await until(lambda: bool(viewer.read()))
    [(name, data)] = viewer.read()
    assert (name, data["total"], data["delta"], data["at_ms"]) == ("likes", 5, 5, 1)
    assert data["names"] == ["n5", "n4", "n3"]


async def test_older_totals_never_overwrite_newer_ones(node: Node) -> None:
    viewer = await Viewer(node).watch()
    node.deliver([totals(2, {"like": 2})])
    await until(lambda: bool(viewer.read()))
    node.deliver([totals(1, {"like": 1})])
    node.deliver([totals(3, {"love": 3})])
    await until(lambda: len(viewer.read()) == 2)
    assert [data["total"] for _, data in viewer.read()] == [2, 3]


async def test_joining_after_a_like_gets_it_in_the_snapshot(node: Node) -> None:
    await Viewer(node).watch()
    node.deliver([totals(1, {"like": 7})])
    assert (await Viewer(node).watch()).opening["snapshot"]["likes"] == {"total": 7, "kinds": {"like": 7}}


async def test_reactions_are_summed_and_stale_ones_dropped(node: Node) -> None:
    viewer = await Viewer(node).watch()
    now = now_ms()
    node.deliver([to_wire(Burst(VIDEO, {"heart": 2}, now)), to_wire(Burst(VIDEO, {"heart": 3, "clap": 1}, now))])
    node.deliver([to_wire(Burst(VIDEO, {"heart": 100}, now - 60_000))])
    await until(lambda: bool(viewer.read()))
    [(name, data)] = viewer.read()
    assert (name, data["counts"]) == ("reactions", {"heart": 5, "clap": 1})


async def test_times_of_likes_that_are_kept_for_a_frame_are_bounded(node: Node, clock: Clock) -> None:
    await Viewer(node).watch()
    feed = node.feeds[VIDEO]
    feed.sending.rest_seconds = 1_000.0
    feed.sending.sent_at = clock()
    node.deliver([totals(version, {"like": version}, at_ms=version) for version in range(1, 5_000)], STAMPS)
    assert len(feed.waiting.received) <= RECEIVED_MAX
    assert feed.waiting.received[0][0] == 1, "the hops that are told are those of the oldest"
