"""What the node does when something is lost: the event log, the heads, resets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from unittest.mock import AsyncMock

import pytest

from realtime.events import Counters, Epoch, TopicName, to_wire
from realtime.log.store import Head, Heads, Loaded, StoreUnavailable
from realtime.node.connections import Closing
from realtime.node.node import Node
from realtime.node.repair import PULL_MAX_EVENTS, VAIN_PULLS
from tests.kit import until
from tests.realtime.fakes import VIDEO, FakeKind, FakeStore, Viewer
from tests.realtime.node.shared import OTHER, totals


async def test_overtaken_event_waits_for_the_one_before_it_without_asking_the_database(
    node: Node, store: FakeStore
) -> None:
    viewer = await Viewer(node).watch()
    first, second = store.note("first"), store.note("second")
    node.deliver([to_wire(second)])
    assert viewer.notes() == []
    node.deliver([to_wire(first)])
    assert viewer.notes() == ["first", "second"]
    await until(lambda: not len(node.tasks))
    assert "events_after" not in store.calls


async def test_lost_event_is_fetched_from_the_log(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    store.note("lost")
    node.deliver([to_wire(store.note("came"))])
    await until(lambda: viewer.notes() == ["lost", "came"])
    assert store.calls.count("events_after") == 1


async def test_reconcile_brings_what_never_came(node: Node, store: FakeStore) -> None:
    """With Celery dead and Redis gone viewers still get everything."""
    viewer = await Viewer(node).watch()
    store.note("silent")
    store.like()
    await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["silent"] and viewer.last("likes")["total"] == 1)


@pytest.fixture
async def many(node: Node, store: FakeStore) -> list[TopicName]:
    """The names of 100 quiet topics that are watched at a node which has looked at the database."""
    topics = [TopicName(f"video:{number}") for number in range(100)]
    for topic in topics:
        store.create(topic)
        await Viewer(node).watch(topic)
    await node.repair.reconcile()
    await node.repair.reconcile()
    assert store.asked[-2:] == [100, 4], "all at first, then the next ones in turn"
    return topics


async def test_reconcile_at_rest_asks_for_a_slice_of_the_topics(
    many: list[TopicName], node: Node, store: FakeStore
) -> None:
    """It asked for the heads of all, every two seconds: 6 % of a core for 20,000 quiet topics."""
    store.calls.clear()
    store.asked.clear()
    await node.repair.reconcile()
    assert (store.calls, store.asked) == (["changes", "heads"], [4])


async def test_reconcile_asks_for_what_has_changed(many: list[TopicName], node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch(many[50])
    store.note("silent", many[50])
    del store.logs[many[51]]
    await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["silent"])
    assert many[51] not in node.feeds
    assert store.asked[-1] <= 6


async def test_topic_is_asked_for_until_the_node_has_caught_up(
    many: list[TopicName], node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database names a change once, and may be away when the node fetches it."""
    viewer = await Viewer(node).watch(many[50])
    store.note("silent", many[50])
    read = store.events_after
    monkeypatch.setattr(store, "events_after", AsyncMock(side_effect=StoreUnavailable))
    await node.repair.reconcile()
    await until(lambda: not len(node.tasks))
    monkeypatch.setattr(store, "events_after", read)
    await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["silent"])


async def test_change_named_while_its_topic_was_read_is_not_lost(
    many: list[TopicName], node: Node, store: FakeStore
) -> None:
    """The topic was read before the change. The look that named it came before the topic was ready."""
    topic = TopicName("video:new")
    store.create(topic)
    loaded, hold = await store.load(topic), asyncio.Event()

    async def load(_: TopicName) -> Loaded:
        await hold.wait()
        return loaded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "load", load)
        coming = asyncio.create_task(Viewer(node).watch(topic))
        await until(lambda: topic in node.feeds)
        store.note("meanwhile", topic)
        await node.repair.reconcile()
        hold.set()
        viewer = await coming
    await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["meanwhile"])


async def test_change_of_which_the_database_does_not_know_is_found_in_turn(
    many: list[TopicName], node: Node, store: FakeStore
) -> None:
    viewer = await Viewer(node).watch(many[50])
    store.note("silent", many[50])
    store.looks[-1][many[50]] = (1, 0)
    for _ in range(25):
        await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["silent"])
    assert max(store.asked[-24:]) <= 5


async def test_reconcile_knows_of_which_version_the_totals_are_that_it_read(
    node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read after the heads, they were newer than the version they were given: the next event took likes back."""
    viewer = await Viewer(node).watch()
    store.like()
    read_heads = store.heads
    late: list[Any] = []

    async def heads_and_then_two_likes(topics: Mapping[TopicName, Head]) -> Heads:
        found = await read_heads(topics)
        late.append(totals(*store.like()))
        store.like()
        return found

    monkeypatch.setattr(store, "heads", heads_and_then_two_likes)
    await node.repair.reconcile()
    node.deliver(late)
    await until(lambda: bool(viewer.read()))
    assert [data["total"] for _, data in viewer.read()] == [3]
    assert node.feeds[VIDEO].counters == Counters(VIDEO, 3, {"like": 3})


async def test_reconcile_survives_a_database_that_is_away(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    store.is_away = True
    await node.repair.reconcile()
    store.is_away = False
    store.note("later")
    await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["later"])


async def test_history_that_is_gone_ends_in_a_reset_with_the_snapshot(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    for number in range(5):
        store.note(f"note {number}")
    store.kept_from = 5
    await node.repair.reconcile()
    await until(lambda: any(name == "reset" for name, _ in viewer.read()))
    reset = viewer.last("reset")
    assert reset["seq"] == 5
    assert reset["snapshot"]["notes"] == [f"note {number}" for number in range(5)]


async def test_viewers_far_behind_get_a_reset_instead_of_all_that_they_missed(node: Node, store: FakeStore) -> None:
    """All of it was written in one turn of the loop: viewers who read as fast as they could were cut as slow."""
    viewer = await Viewer(node).watch()
    for number in range(PULL_MAX_EVENTS + 5):
        store.note(f"note {number}")
    await node.repair.reconcile()
    await until(lambda: viewer.last("reset")["seq"] == PULL_MAX_EVENTS + 5)
    assert viewer.last("reset")["reason"] == "far_behind"
    assert viewer.notes() == []


async def test_viewer_who_missed_more_than_finds_room_gets_a_reset_instead(node: Node, store: FakeStore) -> None:
    """Half a megabyte of missed comments would be cut as unread, and the viewer would come back for the same."""
    for number in range(400):
        store.note(f"{number} " + "x" * 1_000)
    await node.repair.reconcile()
    resumed = await Viewer(node).watch(after=0)
    assert [(name, data["reason"]) for name, data in resumed.first] == [("reset", "far_behind")]
    later = await Viewer(node).watch(after=390)
    assert [name for name, _ in later.first][:10] == ["note"] * 10


async def test_viewers_have_time_to_read_what_they_missed(node: Node, store: FakeStore) -> None:
    """More than a mailbox holds, in one pull: whoever reads meanwhile is not cut."""
    reader, sleeper = await Viewer(node).watch(), await Viewer(node).watch()
    for wire in (reader.wire, sleeper.wire):
        wire.socket.room = 0
    for number in range(400):
        store.note(f"{number} " + "x" * 1_000)
    await node.repair.reconcile()
    while len(reader.notes()) < 400:
        await asyncio.sleep(0)
    assert not reader.wire.is_aborted
    assert sleeper.wire.is_aborted
    assert list(node.connections.values()) == [reader.connection]


async def test_restored_backup_resets_viewers_who_are_ahead_of_it(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    node.deliver([to_wire(store.note("kept")), to_wire(store.note("not in the backup"))])
    del store.logs[VIDEO][1:]
    await node.repair.reconcile()
    assert viewer.last("reset")["snapshot"]["notes"] == ["kept"]


async def test_restored_backup_that_has_overtaken_its_viewers_resets_them(node: Node, store: FakeStore) -> None:
    """Seen up to 3, restored to 1, then 3 new notes: one who went on from 3 read 1 of 3 and kept 2 that do not exist.

    Who is connected was told nothing either, for the log had not gone back.
    """
    viewer = await Viewer(node).watch()
    node.deliver([to_wire(store.note(text)) for text in ("kept", "lost 1", "lost 2")])
    other = await Viewer(node).watch(OTHER)
    del store.logs[VIDEO][1:]
    store.epoch = Epoch("second")
    for number in range(3):
        store.note(f"new {number}")
    await node.repair.reconcile()
    reset = viewer.last("reset")
    assert (reset["epoch"], reset["seq"]) == ("second", 4)
    assert reset["snapshot"]["notes"] == ["kept", "new 0", "new 1", "new 2"]
    assert other.last("reset")["epoch"] == "second", "all that a database has is of one history"
    back = await Viewer(node).watch(after=3)
    assert [(name, data["reason"]) for name, data in back.first] == [("reset", "database_changed")]
    again = await Viewer(node).watch(after=3, epoch=Epoch("second"))
    assert [data["note"] for name, data in again.first if name == "note"] == ["new 2"]
    store.calls.clear()
    await node.repair.reconcile()
    assert "load" not in store.calls, "once is enough"


async def test_who_cannot_tell_the_epoch_changes_nothing(
    node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica is asked most of the time: only the primary knows."""
    viewer = await Viewer(node).watch()
    found = await store.heads({VIDEO: Head(0, 0)})

    async def heads(topics: Mapping[TopicName, Head]) -> Heads:
        return Heads(found.of)

    monkeypatch.setattr(store, "heads", heads)
    await node.repair.reconcile()
    assert viewer.read() == []


async def test_deleted_topic_says_bye(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    del store.logs[VIDEO]
    await node.repair.reconcile()
    assert viewer.read() == [("bye", {"reason": "gone"})]
    assert viewer.wire.closed is Closing.GONE
    assert VIDEO not in node.feeds


async def test_node_that_was_away_until_the_log_was_empty_starts_the_topic_again(node: Node, store: FakeStore) -> None:
    """An empty answer may also be that of a late replica: the node asks again first."""
    viewer = await Viewer(node).watch()
    store.note("missed")
    store.kept_from = 2
    for _ in range(VAIN_PULLS - 1):
        await node.repair.reconcile()
        await until(lambda: not len(node.tasks))
        assert viewer.read() == []
    await node.repair.reconcile()
    await until(lambda: bool(viewer.read()))
    assert [(name, data["reason"], data["snapshot"]["notes"]) for name, data in viewer.read()] == [
        ("reset", "history_gone", ["missed"])
    ]


async def test_an_inbox_that_has_missed_something_is_read_again_whole(
    node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events have no rows. What comes while it is read follows."""
    monkeypatch.setattr(FakeKind, "is_inbox", True)
    viewer = await Viewer(node).watch()
    store.note("lost")
    node.deliver([to_wire(store.note("came"))])
    await until(lambda: "load" in store.calls[1:])
    await until(lambda: bool(viewer.read()))
    [(name, reset)] = viewer.read()
    assert (name, reset["seq"], reset["snapshot"]["notes"]) == ("reset", 2, ["lost", "came"])
    assert "events_after" not in store.calls
    store.note("lost again")
    store.hold = asyncio.Event()
    reading = node.repair.pull_soon(node.feeds[VIDEO], grace_seconds=0)
    await until(lambda: store.calls[-1] == "load")
    late = [store.note("late"), store.note("later")]
    del store.logs[VIDEO][-2:]
    node.deliver([to_wire(event) for event in late])
    store.hold.set()
    await reading
    assert viewer.last("reset")["seq"] == 3
    assert viewer.notes() == ["late", "later"]


async def test_positions_that_nobody_has_reset_nobody(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    for _ in range(2 * VAIN_PULLS):
        await node.repair.pull_soon(node.feeds[VIDEO], grace_seconds=0)
    assert viewer.read() == []
