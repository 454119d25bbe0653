"""Topics that are no videos: an inbox without likes and viewers, a state without a log; many on one connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from realtime.events import NodeId, Signal, State, TopicName, now_ms, to_wire
from realtime.identity import Identity
from realtime.kinds import Access
from realtime.log.store import Heads, TopicGone
from realtime.node.connections import Closing
from realtime.node.node import Node
from tests.kit import Clock, until
from tests.realtime.fakes import EPOCH, VIDEO, FakeKind, FakeStore, FakeTable, Viewer, write_descriptor

INBOX, MOOD = TopicName("user:ana"), TopicName("presence:ana")
ANA = Identity("ana")


@dataclass
class InboxKind(FakeKind):
    prefix: str = "user"
    is_logged = False
    counter = ""
    counts_viewers = False
    kept_events = 3

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return Access(viewer_ids=frozenset(("ana",)), staff=False)


@dataclass
class MoodKind(FakeKind):
    """A topic with a state and no durable event."""

    prefix: str = "presence"
    is_logged = False
    counter = ""
    counts_viewers = False
    kept_events = 0

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        snapshot[name] = data["is"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> FakeTable:
    return FakeTable(clock=clock)


@pytest.fixture
def store() -> FakeStore:
    fake = FakeStore()
    for topic in (VIDEO, INBOX, MOOD):
        fake.create(topic)
    for topic in (INBOX, MOOD):
        del fake.totals[topic]
    return fake


@pytest.fixture
async def node(table: FakeTable, store: FakeStore, clock: Clock) -> AsyncIterator[Node]:
    made = Node(
        NodeId("node-1"),
        table=table,
        store=store,
        kinds={kind.prefix: kind for kind in (FakeKind(), InboxKind(), MoodKind())},
        frame_seconds=0.0,
        clock=clock,
        write=write_descriptor,
    )
    yield made
    await made.aclose()


async def test_snapshot_of_a_topic_without_viewers_to_count_has_none(node: Node, store: FakeStore) -> None:
    store.note("hello", INBOX)
    viewer = await Viewer(node, identity=ANA).watch(INBOX)
    assert viewer.opening == {"epoch": EPOCH, "seq": 1, "snapshot": {"notes": ["hello"]}}
    node.deliver([to_wire(store.note("again", INBOX))])
    assert viewer.notes() == ["again"]


async def test_being_staff_does_not_open_somebodys_inbox(node: Node) -> None:
    with pytest.raises(TopicGone):
        await Viewer(node, identity=Identity("boss", is_staff=True)).watch(INBOX)


async def test_ticket_opens_an_inbox_to_its_owner_only(node: Node) -> None:
    """A member who is sent away would go on reading with a ticket of before."""
    with pytest.raises(TopicGone):
        await Viewer(node, identity=Identity("bob", topics=frozenset((INBOX,)))).watch(INBOX)
    await Viewer(node, identity=Identity("ana", topics=frozenset((INBOX,)))).watch(INBOX)


async def test_lease_of_an_uncounted_topic_is_entered_and_renewed_now_and_then(
    node: Node, table: FakeTable, clock: Clock
) -> None:
    """There may be one such topic for each viewer: renewing each like a video every 2 s would take half a core."""
    await Viewer(node, identity=ANA).watch(INBOX)
    assert table.calls == [("enter", (INBOX,))]
    for _ in range(5):
        clock.advance(seconds=2)
        await node.leases.renew()
    assert table.calls.count(("enter", (INBOX,))) == 2
    assert await table.nodes_for([INBOX]) == {INBOX: frozenset((NodeId("node-1"),))}


async def test_topic_that_had_no_event_yet_is_not_gone(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node, identity=ANA).watch(INBOX)
    log = store.logs.pop(INBOX)
    await node.repair.reconcile()
    assert viewer.wire.closed is None
    store.logs[INBOX] = log
    store.note("first", INBOX)
    await node.repair.reconcile()
    await until(lambda: viewer.notes() == ["first"])


async def test_inbox_whose_row_is_not_in_the_restored_backup_starts_again(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node, identity=ANA).watch(INBOX)
    node.deliver([to_wire(store.note("not in the backup", INBOX))])
    heads = store.heads

    async def without_the_inbox(topics: Any) -> Any:
        found = await heads(topics)
        return Heads({topic: head for topic, head in found.of.items() if topic != INBOX}, found.epoch)

    store.heads = without_the_inbox  # type: ignore[method-assign]
    store.logs[INBOX].clear()
    await node.repair.reconcile()
    assert viewer.last("reset")["reason"] == "database_changed"
    assert viewer.last("reset")["snapshot"] == {"notes": []}


async def test_many_topics_are_reconciled_in_slices(node: Node, store: FakeStore, monkeypatch: Any) -> None:
    """The answer for 17,000 inboxes at once would hold up every viewer for 20 ms and more."""
    monkeypatch.setattr("realtime.node.repair.RECONCILE_MAX_TOPICS", 10)
    topics = [TopicName(f"user:{number}") for number in range(25)]
    viewers = []
    for topic in topics:
        store.create(topic)
        del store.totals[topic]
        viewers.append(await Viewer(node, identity=ANA).watch(topic))
        store.note("missed", topic)
    store.calls.clear()
    await node.repair.reconcile()
    await until(lambda: all(viewer.notes() == ["missed"] for viewer in viewers))
    assert store.calls.count("heads") == 3


async def test_who_missed_more_than_is_kept_starts_again(node: Node, store: FakeStore) -> None:
    for number in range(5):
        store.note(str(number), INBOX)
    viewer = await Viewer(node, identity=ANA).watch(INBOX, after=0)
    [(name, data)] = viewer.first
    assert (name, data["snapshot"]["notes"]) == ("reset", ["0", "1", "2", "3", "4"])
    behind = await Viewer(node, identity=ANA).watch(INBOX, after=3)
    assert [data["note"] for _, data in behind.first] == ["3", "4"]


async def test_newest_state_wins_whatever_the_order_and_is_in_the_snapshot(node: Node) -> None:
    viewer = await Viewer(node).watch(MOOD)
    node.deliver([to_wire(State(MOOD, version, "mood", {"is": mood})) for version, mood in ((2, "new"), (1, "old"))])
    await until(lambda: viewer.read() == [("mood", {"topic": MOOD, "is": "new"})])
    later = await Viewer(node).watch(MOOD)
    assert later.opening["snapshot"]["mood"] == "new"


async def test_topic_without_a_log_is_never_resumed_but_read_afresh(node: Node) -> None:
    """Its position is always 0: somebody who was away would be told that he missed nothing."""
    await Viewer(node).watch(MOOD)
    node.deliver([to_wire(State(MOOD, 1, "mood", {"is": "new"}))])
    assert (await Viewer(node).watch(MOOD, after=0)).opening["snapshot"]["mood"] == "new"


async def test_signal_is_delivered_in_its_time_and_never_after(node: Node) -> None:
    viewer = await Viewer(node).watch()
    node.deliver([to_wire(Signal(VIDEO, "typing", "late", {"who": "late"}, now_ms() - 1))])
    node.deliver([to_wire(Signal(VIDEO, "typing", "bo", {"who": "bo", "is": is_typing}, now_ms() + 60_000))
                  for is_typing in (True, False)])  # fmt: skip
    await until(lambda: "typing" in [name for name, _ in viewer.read()])
    assert [data for name, data in viewer.read() if name == "typing"] == [{"topic": VIDEO, "who": "bo", "is": False}]


async def test_slow_viewer_is_owed_the_newest_state(node: Node) -> None:
    slow = await Viewer(node).watch(MOOD)
    slow.wire.socket.room = 0
    for version in (1, 2, 3):
        node.deliver([to_wire(State(MOOD, version, "mood", {"is": version}))])
        node.fanout.send_waiting(node.feeds[MOOD])
    slow.wire.drain()
    await node.slow.check()
    assert slow.last("mood")["is"] == 3


@pytest.mark.parametrize("is_sse", [True, False])
async def test_who_loses_one_topic_of_several_keeps_the_others(node: Node, store: FakeStore, is_sse: bool) -> None:
    viewer = await Viewer(node, is_sse=is_sse, identity=ANA).watch()
    await viewer.watch(INBOX)
    node.deliver([to_wire(store.note("secret"))])
    assert viewer.read()[-1] == ("unsubscribed", {"topic": VIDEO, "reason": "private"})
    node.deliver([to_wire(store.note("not for her")), to_wire(store.note("for her", INBOX))])
    assert viewer.notes() == ["for her"]
    assert viewer.wire.closed is None


async def test_who_loses_the_last_topic_is_sent_away(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node, identity=ANA).watch()
    await viewer.watch(INBOX)
    node.unsubscribe(viewer.connection, INBOX)
    del store.logs[VIDEO]
    await node.repair.reconcile()
    assert viewer.read()[-1] == ("bye", {"reason": "gone"})
    assert viewer.wire.closed is Closing.GONE
