"""Viewers who do not keep up."""

from __future__ import annotations

from realtime.events import to_wire
from realtime.node.node import Node
from tests.kit import until
from tests.realtime.fakes import VIDEO, FakeStore, Viewer
from tests.realtime.node.shared import totals


async def test_slow_viewer_misses_state_in_between_and_is_paid_the_newest(node: Node, store: FakeStore) -> None:
    slow, quick = await Viewer(node).watch(), await Viewer(node).watch()
    slow.wire.socket.room = 0
    node.deliver([to_wire(store.note("waits"))])
    for version in range(1, 4):
        node.deliver([totals(version, {"like": version})])
        await until(lambda version=version: quick.last("likes")["total"] == version)  # type: ignore[misc]
    assert [name for name, _ in quick.read()] == ["note", "likes", "likes", "likes"]
    slow.wire.drain()
    await node.slow.check()
    assert [name for name, _ in slow.read()] == ["note", "likes", "viewers"]
    assert slow.last("likes")["total"] == 3


async def test_viewer_with_a_full_mailbox_is_cut_and_nobody_else_waits(node: Node, store: FakeStore) -> None:
    slow, quick = await Viewer(node).watch(), await Viewer(node).watch()
    slow.wire.socket.room = 0
    text = "x" * 3_000
    sent = 0
    while not slow.wire.is_aborted:
        node.deliver([to_wire(store.note(text))])
        sent += 1
        assert sent < 200, "the mailbox has no bound"
    assert len(quick.notes()) == sent
    assert slow.wire.pending_bytes() < 300_000


async def test_half_written_frame_is_finished_before_the_next(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    viewer.wire.socket.room = 10
    node.deliver([to_wire(store.note("torn")), to_wire(store.note("whole"))])
    assert viewer.notes() == ["torn", "whole"]


async def test_who_is_behind_gets_the_durable_part_of_such_a_write_and_the_state_later(
    node: Node, store: FakeStore
) -> None:
    slow = await Viewer(node).watch()
    slow.wire.socket.room = 0
    node.deliver([to_wire(store.note("fills the buffer"))])
    node.deliver([totals(1, {"like": 1}), to_wire(store.note("a comment"))])
    assert slow.connection.stale
    assert slow.notes() == ["fills the buffer", "a comment"]
    assert slow.last("likes")["total"] is None
    await node.slow.check()
    assert slow.last("likes")["total"] == 1


async def test_what_a_slow_viewer_is_owed_is_not_followed_by_an_older_frame(node: Node, store: FakeStore) -> None:
    """It was paid in the middle of a fan-out: the frame that was on its way then took likes back."""
    slow = await Viewer(node).watch()
    slow.wire.socket.room = 0
    node.deliver([to_wire(store.note("fills the buffer")), totals(1, {"like": 1})])
    await until(lambda: slow.connection.stale)
    crowd = [await Viewer(node).watch() for _ in range(600)]
    feed = node.feeds[VIDEO]
    await until(lambda: not feed.sending.outbox and not feed.sending.is_due)
    node.deliver([totals(2, {"like": 2})])
    node.fanout.send_waiting(feed)
    assert feed.sending.outbox
    node.deliver([totals(3, {"like": 3})])
    slow.wire.drain()
    await node.slow.check()
    slow.wire.drain()
    await until(lambda: crowd[-1].last("likes")["total"] == 3)
    await node.slow.check()
    got = [data["total"] for name, data in slow.read() if name == "likes"]
    assert got == sorted(got), got
    assert got[-1] == 3
