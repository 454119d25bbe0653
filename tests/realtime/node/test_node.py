"""The frontend node on fakes: who is told what, in which order, and what it does when something is lost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from prometheus_client import REGISTRY

from realtime.events import Burst, Epoch, NodeId, Signal, TopicName, Totals, durable_frame, http_chunk, now_ms, to_wire
from realtime.identity import ANONYMOUS, Identity
from realtime.log.store import Head, Heads, StoreUnavailable, TopicGone
from realtime.node import leases, repair
from realtime.node.connections import Closing
from realtime.node.feed import RECEIVED_MAX
from realtime.node.node import Node
from realtime.node.repair import PULL_MAX_EVENTS
from realtime.node.sending import Outgoing
from realtime.table.counting import UNCOUNTED
from realtime.table.subscriptions import Watched
from tests.realtime.fakes import EPOCH, VIDEO, FakeKind, FakeStore, FakeTable, Viewer, viewers, write_descriptor

OTHER = TopicName("video:2")


class Clock:
    """Time that moves when told to, for everything that is not a timer of the loop."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, *, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def table(clock: Clock) -> FakeTable:
    return FakeTable(clock=clock)


@pytest.fixture
def store() -> FakeStore:
    fake = FakeStore()
    fake.create(VIDEO)
    fake.create(OTHER)
    return fake


def make_node(
    table: FakeTable, store: FakeStore, clock: Clock, *, write: Callable[[int, bytes], int] = write_descriptor
) -> Node:
    return Node(
        NodeId("node-1"),
        table=table,
        store=store,
        kinds={"video": FakeKind()},
        frame_seconds=0.0,
        clock=clock,
        write=write,
    )


@pytest.fixture
async def node(table: FakeTable, store: FakeStore, clock: Clock) -> AsyncIterator[Node]:
    made = make_node(table, store, clock)
    yield made
    await made.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def totals(version: int, kinds: dict[str, int], *, names: tuple[str, ...] = (), at_ms: int = 1) -> list[object]:
    return to_wire(Totals(VIDEO, version, kinds, names, at_ms))


# Joining


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


# Delivery


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


async def test_reconcile_at_rest_asks_one_question(node: Node, store: FakeStore) -> None:
    await Viewer(node).watch(VIDEO)
    await Viewer(node).watch(OTHER)
    await node.repair.reconcile()
    store.calls.clear()
    await node.repair.reconcile()
    assert store.calls == ["heads"]


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
    assert node.feeds[VIDEO].totals == Totals(VIDEO, 3, {"like": 3})


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


async def test_unknown_items_of_the_layer_are_left_out(node: Node, store: FakeStore) -> None:
    """A rolling upgrade sends new kinds of messages: they must disconnect nobody."""
    viewer = await Viewer(node).watch()
    node.deliver([["z", "new"], None, {}, ["d", 1, 2], to_wire(store.note("known"))])
    assert viewer.notes() == ["known"]


# Resume


async def test_viewer_resumes_with_exactly_what_it_missed(node: Node, store: FakeStore) -> None:
    await Viewer(node).watch()
    node.deliver([to_wire(store.note(text)) for text in ("seen", "missed 1", "missed 2")])
    back = await Viewer(node).watch(after=1)
    assert back.opening == {"epoch": EPOCH, "seq": 3, "snapshot": None}
    assert [data["note"] for name, data in back.first if name == "note"] == ["missed 1", "missed 2"]
    assert [name for name, _ in back.first][-2:] == ["likes", "viewers"]


async def test_herd_that_resumes_is_served_from_memory(node: Node, store: FakeStore) -> None:
    for number in range(50):
        store.note(f"note {number}")
    backs = [await Viewer(node).watch(after=10) for _ in range(20)]
    assert all(len([1 for name, _ in back.first if name == "note"]) == 40 for back in backs)
    assert store.calls == ["load"]


async def test_viewer_who_saw_more_on_a_faster_node_is_not_taken_back(node: Node, store: FakeStore) -> None:
    await Viewer(node).watch()
    store.note("seen elsewhere")
    back = await Viewer(node).watch(after=1)
    assert back.opening == {"epoch": EPOCH, "seq": 1, "snapshot": None}
    assert "reset" not in [name for name, _ in back.first]


@pytest.mark.parametrize(
    ("after", "epoch", "reason"),
    [(7, EPOCH, "unknown_position"), (1, Epoch(""), "unknown_position"), (1, Epoch("other"), "database_changed")],
)
async def test_position_that_nobody_can_go_on_from_is_answered_with_a_reset(
    node: Node, store: FakeStore, after: int, epoch: Epoch, reason: str
) -> None:
    store.note("all there is")
    back = await Viewer(node).watch(after=after, epoch=epoch)
    [(name, data)] = back.first
    assert (name, data["reason"], data["epoch"], data["seq"]) == ("reset", reason, EPOCH, 1)
    assert data["snapshot"]["notes"] == ["all there is"]


async def test_position_older_than_the_ring_is_answered_with_a_reset(node: Node, store: FakeStore) -> None:
    for number in range(PULL_MAX_EVENTS + 5):
        store.note(str(number))
    back = await Viewer(node).watch(after=3)
    [(name, data)] = back.first
    assert (name, data["reason"], data["seq"]) == ("reset", "too_old", PULL_MAX_EVENTS + 5)


# State


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


# Viewer counts and leases


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


# Rights


async def test_topic_made_private_dismisses_all_but_those_who_may_stay(node: Node, store: FakeStore) -> None:
    stranger = await Viewer(node).watch()
    friend = await Viewer(node, identity=Identity("friend")).watch()
    staff = await Viewer(node, identity=Identity("anyone", is_staff=True)).watch()
    guest = await Viewer(node, identity=Identity(topics=frozenset((VIDEO,)))).watch()
    node.deliver([to_wire(store.note("secret"))])
    for sent_away in (stranger, guest):
        assert sent_away.read() == [("bye", {"reason": "private"})], "nothing of what is private now"
        assert sent_away.wire.closed is Closing.GONE
    assert friend.notes() == ["secret"]
    assert friend.wire.closed is None
    assert staff.wire.closed is None


async def test_private_topic_looks_like_a_missing_one(node: Node, store: FakeStore) -> None:
    store.note("secret")
    with pytest.raises(TopicGone):
        await Viewer(node).watch()
    assert (await Viewer(node, identity=Identity("friend")).watch()).opening["seq"] == 1


async def test_ticket_of_before_opens_no_topic_that_was_made_private(node: Node, store: FakeStore) -> None:
    """Taken while the video was public, it opened streams after that, and they read on without end."""
    stranger, friend = Identity(topics=frozenset((VIDEO,))), Identity("friend", topics=frozenset((VIDEO,)))
    await Viewer(node, identity=stranger).watch()
    node.deliver([to_wire(store.note("secret"))])
    with pytest.raises(TopicGone):
        await Viewer(node, identity=stranger).watch()
    assert (await Viewer(node, identity=friend).watch()).opening["seq"] == 1, "who may read it may by a ticket"


async def test_ticket_is_good_for_its_topics_only(node: Node, store: FakeStore) -> None:
    for topic in (VIDEO, OTHER):
        store.note("secret", topic)
    viewer = Viewer(node, identity=Identity("friend", topics=frozenset((VIDEO,))))
    await viewer.watch()
    with pytest.raises(TopicGone):
        await viewer.watch(OTHER)


async def test_topic_that_is_closed_between_preparing_and_entering_is_not_entered(node: Node, store: FakeStore) -> None:
    viewer = Viewer(node)
    await node.prepare(VIDEO, viewer.connection.identity)
    node.deliver([to_wire(store.note("secret"))])
    with pytest.raises(TopicGone):
        node.enter(viewer.connection, VIDEO)


@pytest.mark.parametrize("reason", ["far_behind", "history_gone", "database_changed"])
async def test_reload_sends_nobody_the_private_state_that_they_may_not_read(
    node: Node, store: FakeStore, reason: str
) -> None:
    """1,100 missed events and "private" in one look: all got the private snapshot, and read on."""
    stranger = await Viewer(node).watch()
    friend = await Viewer(node, identity=Identity("friend")).watch()
    store.note("secret")
    if reason == "far_behind":
        for number in range(PULL_MAX_EVENTS):
            store.note(str(number))
    elif reason == "history_gone":
        store.note("newest")
        store.kept_from = 2
    else:
        store.epoch = Epoch("second")
    await node.repair.reconcile()
    await until(lambda: friend.last("reset")["reason"] == reason)
    assert stranger.read() == [("bye", {"reason": "private"})]
    assert stranger.connection.id not in node.connections
    assert friend.wire.closed is None


async def test_who_is_where_they_may_not_be_is_sent_away_by_the_next_look(node: Node, store: FakeStore) -> None:
    """No step lets it happen; should one do so, anonymous viewers and holders of tickets are looked at as well."""
    identities = [ANONYMOUS, Identity(topics=frozenset((VIDEO,))), Identity("other", topics=frozenset((VIDEO,)))]
    strangers = [await Viewer(node, identity=identity).watch() for identity in identities]
    friend = await Viewer(node, identity=Identity("friend")).watch()
    node.feeds[VIDEO].snapshot["notes"].append("secret")
    await node.rights.check()
    assert [viewer.read()[-1] for viewer in strangers] == [("bye", {"reason": "private"})] * 3
    assert friend.wire.closed is None


async def test_who_is_signed_out_in_mid_stream_is_sent_away(node: Node, store: FakeStore) -> None:
    store.note("secret")
    friend = await Viewer(node, identity=Identity("friend")).watch()
    staff = await Viewer(node, is_sse=False, identity=Identity("anyone", is_staff=True)).watch()
    store.banned = {"friend"}
    store.is_away = True
    await node.rights.check()
    assert friend.wire.closed is None, "a database that is away takes nobody's rights"
    store.is_away = False
    await node.rights.check()
    assert friend.read() == [("bye", {"reason": "signed_out"})]
    assert friend.wire.closed is Closing.EXPIRED
    assert staff.wire.closed is None
    assert friend.connection.id not in node.connections


async def test_nobody_is_asked_about_viewers_that_nobody_knows(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node, is_sse=False).watch()
    await node.rights.check()
    assert "review" not in store.calls
    node.identify(viewer.connection, Identity("friend"))  # by its first command
    store.banned = {"friend"}
    await node.rights.check()
    assert viewer.wire.closed is Closing.EXPIRED


# Slow viewers and big rooms


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


async def test_lost_socket_is_passed_over(node: Node, store: FakeStore) -> None:
    lost, here = await Viewer(node).watch(), await Viewer(node).watch()
    lost.wire.socket.is_lost = True
    node.deliver([to_wire(store.note("on"))])
    assert here.notes() == ["on"]


async def test_big_room_is_written_in_slices_that_keep_the_order(node: Node, store: FakeStore) -> None:
    """Who joins during the fan-out gets what came after its snapshot and no frame twice; who leaves is passed over."""
    viewers = [await Viewer(node, is_sse=number % 3 > 0).watch() for number in range(1_300)]
    node.deliver([to_wire(store.note("a")), to_wire(store.note("b"))])
    node.remove(viewers[700].connection)
    late = await Viewer(node).watch()
    node.deliver([to_wire(store.note("c"))])
    await until(lambda: node.feeds[VIDEO].sending.pump is None)
    assert late.opening["snapshot"]["notes"] == ["a", "b"]
    assert late.notes() == ["c"]
    assert all(viewer.notes() == ["a", "b", "c"] for number, viewer in enumerate(viewers) if number != 700)


async def test_other_work_gets_its_turn_during_a_big_fan_out(table: FakeTable, store: FakeStore, clock: Clock) -> None:
    def write(descriptor: int, data: bytes) -> int:
        clock.advance(seconds=20e-6)
        return len(data)

    node = make_node(table, store, clock, write=write)
    for _ in range(2_100):
        await Viewer(node).watch()
    turns = 0
    node.deliver([to_wire(store.note("to all"))])
    while node.feeds[VIDEO].sending.pump is not None:
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 4
    await node.aclose()


async def test_frame_is_encoded_once_for_all(node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[bytes] = []
    viewers = [await Viewer(node).watch() for _ in range(50)]

    def encode(data: bytes) -> bytes:
        encoded.append(http_chunk(data))
        return encoded[-1]

    monkeypatch.setattr("realtime.events.http_chunk", encode)
    node.deliver([to_wire(store.note("once"))])
    assert len(encoded) == 1
    assert all(viewer.wire.socket.taken == encoded[0] for viewer in viewers)


# What a delivery costs, counted


async def test_frame_is_one_system_call_a_viewer_and_none_for_those_of_another_video(
    node: Node, store: FakeStore
) -> None:
    store.create(OTHER)
    viewers = [await Viewer(node, is_sse=number % 2 == 0).watch() for number in range(1_200)]
    others = [await Viewer(node).watch(OTHER) for _ in range(50)]
    node.deliver([to_wire(store.note("to all of one"))])
    await until(lambda: node.feeds[VIDEO].sending.pump is None)
    assert [viewer.wire.socket.sends for viewer in viewers] == [1] * 1_200
    assert [other.wire.socket.sends for other in others] == [0] * 50


async def test_state_that_waits_rides_along_with_a_durable_event(node: Node, store: FakeStore) -> None:
    viewers = [await Viewer(node).watch() for _ in range(600)]
    node.deliver([totals(1, {"like": 1}), to_wire(store.note("a comment")), to_wire(store.note("another"))])
    await until(lambda: node.feeds[VIDEO].sending.pump is None)
    assert [viewer.wire.socket.sends for viewer in viewers] == [1] * 600
    for viewer in viewers[::100]:
        assert viewer.notes() == ["a comment", "another"]
        assert viewer.last("likes")["total"] == 1


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


async def test_delivery_leaves_no_object_behind_per_viewer(table: FakeTable, store: FakeStore, clock: Clock) -> None:
    """Objects made for each viewer and frame would be the collector's work, thousands of times a second."""
    node = make_node(table, store, clock, write=lambda descriptor, data: len(data))
    for number in range(1_000):
        await Viewer(node, is_sse=number % 2 == 0).watch()
    feed = node.feeds[VIDEO]
    made = durable_frame(store.note("once"), EPOCH)
    feed.ring.append(made)
    out = Outgoing([made], [], feed.members.sse.size, feed.members.websocket.size)
    node.fanout.write(feed, out, 0, 1_000)  # labels of metrics, encoded forms
    before = sys.getallocatedblocks()
    for _ in range(10):
        node.fanout.write(feed, out, 0, 1_000)
    assert sys.getallocatedblocks() - before < 100
    await node.aclose()


# The end


async def test_drain_tells_everybody_when_to_come_back_and_leaves_the_table(node: Node, table: FakeTable) -> None:
    viewers = [await Viewer(node, is_sse=number % 2 == 0).watch() for number in range(120)]
    await node.drain(window_seconds=0.01)
    assert all(viewer.read()[-1][0] == "drain" for viewer in viewers)
    assert all(viewer.last("drain")["retry_ms"] > 0 for viewer in viewers)
    assert all(viewer.wire.closed is Closing.DRAIN for viewer in viewers)
    assert await table.nodes_for([VIDEO]) == {VIDEO: frozenset()}


@pytest.mark.parametrize("is_sse", [True, False])
async def test_nothing_follows_a_goodbye(node: Node, store: FakeStore, is_sse: bool) -> None:
    """What came with the event that closed a topic was still written to those it had closed out.

    They read a comment of a video that was private by then, behind the end of the response.
    """
    stranger = await Viewer(node, is_sse=is_sse).watch()
    node.deliver([to_wire(store.note("secret")), to_wire(store.note("between us")), totals(1, {"like": 1})])
    assert [name for name, _ in stranger.read()] == ["bye"]
    assert stranger.connection.id not in node.connections


async def test_drain_of_a_running_node_comes_to_its_end(node: Node) -> None:
    """It did not: the viewers' leaving and the end of the renewals came in one turn, and the end was swallowed."""
    node.start()
    await Viewer(node).watch()
    await until(lambda: not node.leases.has_news)
    async with asyncio.timeout(20):
        await node.drain(window_seconds=0)
    assert not len(node.tasks)


async def test_renewal_under_way_does_not_bring_a_drained_node_back(node: Node, table: FakeTable) -> None:
    await Viewer(node).watch()
    renew, go_on = table.renew, asyncio.Event()

    async def renew_late(*args: Any, **kwargs: Any) -> Any:
        await go_on.wait()
        return await renew(*args, **kwargs)

    table.renew = renew_late  # type: ignore[method-assign]
    node.start()
    viewer = await Viewer(node).watch()
    node.remove(viewer.connection)
    await until(lambda: not node.leases.has_news)
    await node.drain(window_seconds=0)
    go_on.set()
    await asyncio.sleep(0)
    assert await table.nodes_for([VIDEO]) == {VIDEO: frozenset()}


async def test_every_connection_gets_a_heartbeat_within_its_time(node: Node) -> None:
    sse, websocket = await Viewer(node).watch(), await Viewer(node, is_sse=False).watch()
    for _ in range(15):
        await node.heartbeats.beat()
    for viewer in (sse, websocket):
        viewer.wire.drain()
    assert sse.wire.socket.taken == b": hb\n"
    assert websocket.wire.socket.taken == b"\x89\x00"


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


# How long it took


STAMPS = {"region": "local", "published": 1_003, "dispatched": 1_009}


def counted(hop: str, event: str, *, up_to_ms: int | None = None, region: str = "local") -> float:
    """Return how often the hop of the event was counted, in all or up to a bound."""
    labels = {"hop": hop, "event": event, "region": region}
    if up_to_ms is None:
        return REGISTRY.get_sample_value("live_hop_seconds_count", labels) or 0.0
    return REGISTRY.get_sample_value("live_hop_seconds_bucket", {**labels, "le": f"{up_to_ms / 1000:g}"}) or 0.0


@pytest.fixture
def at_1012_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("feed", "fanout", "node", "repair"):
        monkeypatch.setattr(f"realtime.node.{module}.now_ms", lambda: 1_012)


@pytest.mark.usefixtures("at_1012_ms")
@pytest.mark.parametrize("is_sse", [True, False])
async def test_frame_tells_when_it_passed_each_hop(node: Node, store: FakeStore, is_sse: bool) -> None:
    viewer = await Viewer(node, is_sse=is_sse).watch()
    node.deliver([to_wire(store.note("on its way", at_ms=1_000))], STAMPS)
    signal = Signal(VIDEO, "typing", "bo", {"who": "bo"}, expires_at_ms=2_000)
    node.deliver([to_wire(signal)], {**STAMPS, "region": "eu", "relayed": 1_008})
    await until(lambda: bool(viewer.hops("typing")))
    assert viewer.hops("note") == [{"committed": 3, "dispatched": 9, "node": 12, "written": 12}]
    # It has no at_ms: what it is measured from is when it was published.
    born_elsewhere = {"committed": 0, "dispatched": 6, "relayed": 5, "node": 9, "written": 9, "region": "eu"}
    assert viewer.hops("typing") == [born_elsewhere]


async def test_replayed_frame_has_no_hops(node: Node, store: FakeStore) -> None:
    await Viewer(node).watch()
    node.deliver([to_wire(store.note("then"))], STAMPS)
    later = await Viewer(node).watch(after=0)
    [(name, data), *_] = later.first
    assert (name, data["note"], "hops" in data) == ("note", "then", False)


async def test_what_the_node_found_itself_tells_when_it_did(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    store.note("missed")
    await node.repair.reconcile()
    await until(lambda: bool(viewer.notes()))
    [hops] = viewer.hops("note")
    assert hops is not None and hops.keys() == {"node", "written"}


@pytest.mark.usefixtures("at_1012_ms")
async def test_each_batch_of_likes_in_a_frame_is_counted(node: Node) -> None:
    """The oldest like alone would wait the longest of all, each time."""
    await Viewer(node).watch()
    before = counted("written", "likes"), counted("written", "likes", up_to_ms=5)
    node.deliver([totals(1, {"like": 1}, at_ms=980)], STAMPS)
    node.deliver([totals(2, {"like": 2}, at_ms=1_008)], STAMPS)
    node.deliver([totals(3, {"like": 3}, at_ms=0)], STAMPS)
    node.fanout.send_waiting(node.feeds[VIDEO])
    assert (counted("written", "likes"), counted("written", "likes", up_to_ms=5)) == (before[0] + 2, before[1] + 1)


async def test_times_of_likes_that_are_kept_for_a_frame_are_bounded(node: Node, clock: Clock) -> None:
    await Viewer(node).watch()
    feed = node.feeds[VIDEO]
    feed.sending.rest_seconds = 1_000.0
    feed.sending.sent_at = clock()
    node.deliver([totals(version, {"like": version}, at_ms=version) for version in range(1, 5_000)], STAMPS)
    assert len(feed.waiting.received) <= RECEIVED_MAX
    assert feed.waiting.received[0][0] == 1, "the hops that are told are those of the oldest"


@pytest.mark.usefixtures("at_1012_ms")
async def test_time_before_the_event_was_received_counts_as_none_and_as_clipped(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node).watch()
    clipped = REGISTRY.get_sample_value("live_hop_clipped_total", {"hop": "committed"}) or 0.0
    node.deliver([to_wire(store.note("of a clock that is ahead", at_ms=1_006))], STAMPS)
    assert viewer.hops("note") == [{"committed": 0, "dispatched": 3, "node": 6, "written": 6}]
    assert REGISTRY.get_sample_value("live_hop_clipped_total", {"hop": "committed"}) == clipped + 1


@pytest.mark.parametrize("is_sse", [True, False])
async def test_a_viewer_whose_socket_is_gone_costs_nobody_else_the_frame(
    node: Node, store: FakeStore, is_sse: bool
) -> None:
    """Behind Twisted's transport there was a moment without a socket, in which the fan-out stopped: the viewers after
    that one missed the frame, or all got it again with the next. Found by a load test with flapping viewers.
    """
    viewers = [await Viewer(node, is_sse=is_sse).watch() for _ in range(3)]
    later = await Viewer(node, is_sse=not is_sse).watch()
    viewers[1].wire.socket.is_lost = True
    node.deliver([to_wire(store.note("one"))])
    node.deliver([to_wire(store.note("two"))])
    assert [viewer.notes() for viewer in (viewers[0], viewers[2], later)] == [["one", "two"]] * 3


# Who counts


async def count(node: Node, table: FakeTable) -> int:
    await node.leases.renew()
    return (await table.watched([VIDEO]))[VIDEO].count


async def test_viewer_with_two_connections_is_one_until_both_have_gone(node: Node, table: FakeTable) -> None:
    first = await Viewer(node, key=7).watch()
    second = await Viewer(node, key=7, is_sse=False).watch()
    assert await count(node, table) == 1
    node.remove(first.connection)
    assert await count(node, table) == 1
    node.remove(second.connection)
    assert await count(node, table) == 0


@pytest.fixture
async def patient(table: FakeTable, store: FakeStore, clock: Clock) -> AsyncIterator[Node]:
    """A node that counts who has been there for 3 s."""
    made = Node(
        NodeId("node-1"),
        table=table,
        store=store,
        kinds={"video": FakeKind()},
        frame_seconds=0.0,
        count_after_seconds=3.0,
        clock=clock,
        write=write_descriptor,
    )
    yield made
    await made.aclose()


async def test_who_only_looks_in_is_no_viewer(patient: Node, table: FakeTable, store: FakeStore, clock: Clock) -> None:
    """Of 3,000 who opened a stream and closed it at once, peak and unique told for ever."""
    for key in range(1, 100):
        patient.remove((await Viewer(patient, key=key).watch()).connection)
    stays = await Viewer(patient, key=100).watch()
    clock.advance(seconds=2)
    late = await Viewer(patient, key=101).watch()
    await patient.arrivals.check()
    assert await count(patient, table) == 0
    clock.advance(seconds=1)
    await patient.arrivals.check()
    assert await count(patient, table) == 1
    await patient.repair.reconcile()
    assert store.seen == {VIDEO: {100}}
    patient.remove(late.connection)
    clock.advance(seconds=3)
    await patient.arrivals.check()
    patient.remove(stays.connection)
    assert await count(patient, table) == 0
    assert not len(patient.arrivals)
    assert (await table.watched([VIDEO]))[VIDEO].peak == 1


async def test_who_polls_is_one_viewer_all_the_time(
    patient: Node, table: FakeTable, store: FakeStore, clock: Clock
) -> None:
    """Each poll had to wait until it counted, and took its viewer out at its end: the number went up and down."""

    async def poll(seconds: float) -> int:
        viewer = await Viewer(patient, key=7).watch()
        clock.advance(seconds=seconds)
        await patient.arrivals.check()
        patient.end_poll(viewer.connection)
        return await count(patient, table)

    async def rest(seconds: float) -> int:
        clock.advance(seconds=seconds)
        await patient.arrivals.check()
        return await count(patient, table)

    assert [await poll(0.0), await rest(0.5), await poll(2.0)] == [0, 0, 0], "here for less than 3 s"
    assert await poll(1.0) == 1
    for _ in range(3):
        assert [await rest(0.5), await poll(4.0)] == [1, 1]
    assert [await rest(4.0), await rest(1.5)] == [1, 0], "no other poll came"
    assert not len(patient.arrivals)
    await poll(0.0)
    await rest(6.0)
    await patient.repair.reconcile()
    assert store.seen == {VIDEO: {7}}
    assert await count(patient, table) == 0, "who looked in once"


async def test_poll_that_ends_after_the_video_leaves_no_viewer(
    node: Node, table: FakeTable, store: FakeStore, clock: Clock
) -> None:
    first, second = [await Viewer(node, key=key).watch() for key in (1, 2)]
    node.end_poll(first.connection)
    assert await count(node, table) == 2
    node.deliver([to_wire(store.note("over"))])
    node.end_poll(second.connection)
    assert await count(node, table) == 0
    assert not len(node.arrivals)


async def test_who_is_identified_while_arriving_counts_as_themselves_and_no_sooner(
    patient: Node, table: FakeTable, clock: Clock
) -> None:
    for _ in range(2):
        viewer = await Viewer(patient).watch()
        patient.identify(viewer.connection, Identity("ada"))
    assert await count(patient, table) == 0
    clock.advance(seconds=3)
    await patient.arrivals.check()
    assert await count(patient, table) == 1
    assert await table.named(VIDEO) == {"ada"}


async def test_topic_that_has_ended_has_no_viewers_and_keeps_its_peak(
    node: Node, patient: Node, table: FakeTable, store: FakeStore, clock: Clock
) -> None:
    """Who opened the page of an ended video moved its peak and the number of all its viewers."""
    here = [await Viewer(node, key=key).watch() for key in (1, 2)]
    await Viewer(patient, key=3).watch()
    assert await count(node, table) == 2
    await node.repair.reconcile()
    over = to_wire(store.note("over"))
    for each in (node, patient):
        each.deliver([over])
    clock.advance(seconds=3)
    await patient.arrivals.check()
    for key in range(4, 9):
        await Viewer(node, key=key).watch()
    node.remove(here[0].connection)
    assert await count(node, table) == 0
    await node.repair.reconcile()
    assert store.seen == {VIDEO: {1, 2}}
    assert (await table.watched([VIDEO]))[VIDEO] == Watched(0, 2)
    await until(lambda: here[1].last("viewers")["count"] == 0)
    assert here[1].last("viewers")["peak"] == 2


async def test_who_watches_without_being_counted_gets_everything(
    node: Node, table: FakeTable, store: FakeStore
) -> None:
    apart = await Viewer(node, key=UNCOUNTED).watch()
    await Viewer(node).watch()
    node.deliver([to_wire(store.note("hello"))])
    assert await count(node, table) == 1
    assert apart.notes() == ["hello"]
    node.identify(apart.connection, Identity("ada"))
    assert await count(node, table) == 1
    assert await table.named(VIDEO) == set()


async def test_who_is_identified_later_is_counted_as_himself(node: Node, table: FakeTable) -> None:
    """Two browsers of one person, and one that nobody has signed in with."""
    laptop, phone, other = [await Viewer(node).watch() for _ in range(3)]
    assert await count(node, table) == 3
    for viewer in (laptop, phone, other):
        node.identify(viewer.connection, Identity("ada") if viewer is not other else ANONYMOUS)
    assert await count(node, table) == 2
    assert await table.named(VIDEO) == {"ada"}
    node.remove(laptop.connection)
    node.remove(other.connection)
    assert await count(node, table) == 1
    node.remove(phone.connection)
    assert await count(node, table) == 0
    assert await table.named(VIDEO) == set()


async def test_connection_that_subscribes_again_is_still_one(node: Node, table: FakeTable) -> None:
    viewer = await Viewer(node).watch()
    await viewer.watch(after=0)
    node.unsubscribe(viewer.connection, VIDEO)
    assert await count(node, table) == 0


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
    assert store.calls == ["heads", "save_seen", "heads"], "he may have been gone for long: told once more, and no more"


async def test_node_that_ends_has_written_who_was_there(node: Node, store: FakeStore) -> None:
    for key in range(1, 4):
        await Viewer(node, key=key).watch()
    await node.drain(window_seconds=0)
    assert store.seen == {VIDEO: {1, 2, 3}}


async def test_crowd_is_told_and_written_in_parts(
    node: Node, store: FakeStore, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "TOLD_MAX_KEYS", 10)
    monkeypatch.setattr(repair, "WRITTEN_MAX_KEYS", 10)
    first = await Viewer(node, key=1).watch()
    await node.leases.renew()
    for key in range(2, 26):
        await Viewer(node, key=key).watch()
    for _ in range(3):
        await node.leases.renew(full=False)
    await until(lambda: first.last("viewers")["count"] == 25)
    assert not node.feeds[VIDEO].roll.has_news
    for written in (10, 20, 25):
        await node.repair.reconcile()
        assert len(store.seen[VIDEO]) == written
