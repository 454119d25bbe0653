"""Who may not stay, and what they still get."""

from __future__ import annotations

import pytest

from realtime.events import Epoch, to_wire
from realtime.identity import ANONYMOUS, Identity
from realtime.log.store import TopicGone
from realtime.node.connections import Closing
from realtime.node.feed import Feed
from realtime.node.node import Node
from realtime.node.repair import PULL_MAX_EVENTS
from realtime.node.rights import TURN
from tests.kit import until
from tests.realtime.fakes import VIDEO, FakeStore, Viewer
from tests.realtime.node.shared import OTHER, totals


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


async def test_who_leaves_a_group_loses_what_it_opened(node: Node, store: FakeStore) -> None:
    store.note("secret")
    viewer = await Viewer(node, identity=Identity("ana", groups=frozenset(("friends",)))).watch()
    store.groups = {"ana": frozenset(("others",))}
    await node.rights.check()
    assert viewer.read() == [("bye", {"reason": "private"})]
    assert (await node.rights.recognize(Identity("ana"))) == Identity("ana", groups=frozenset(("others",)))


async def test_who_comes_into_a_group_may_watch_by_the_connection_they_have(node: Node, store: FakeStore) -> None:
    store.note("secret")
    viewer = await Viewer(node, identity=Identity("ana")).watch(OTHER)
    store.groups = {"ana": frozenset(("friends",))}
    await node.rights.check()
    await node.prepare(VIDEO, viewer.connection.identity)
    assert node.is_open(VIDEO, viewer.connection.identity)


async def test_nobody_is_asked_about_viewers_that_nobody_knows(node: Node, store: FakeStore) -> None:
    viewer = await Viewer(node, is_sse=False).watch()
    await node.rights.check()
    assert "review" not in store.calls
    node.identify(viewer.connection, Identity("friend"))  # by its first command
    store.banned = {"friend"}
    await node.rights.check()
    assert viewer.wire.closed is Closing.EXPIRED


async def a_crowd(node: Node, store: FakeStore) -> list[Viewer]:
    """Have twice as many viewers as a look checks in turn, and let the node look at them for the first time."""
    store.note("secret")
    crowd = [await Viewer(node, identity=Identity(f"v{n}", is_staff=True)).watch() for n in range(2 * TURN)]
    await node.rights.check()
    store.reviewed.clear()
    store.calls.clear()
    return crowd


async def test_look_costs_what_has_changed_and_not_how_many_watch(
    node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 viewers, of whom nobody changed, took 12 % of a core: each look asked about all, and walked all topics."""
    monkeypatch.setattr("realtime.node.rights.TURN", 2)
    crowd = await a_crowd(node, store)
    await node.rights.check()
    assert (store.calls, store.reviewed) == (["rechecks", "review"], [2])
    store.banned = store.rechecked = {"v7", "v8", "v9"}
    await node.rights.check()
    assert store.reviewed[1] <= 5
    assert [number for number, viewer in enumerate(crowd) if viewer.wire.closed] == [7, 8, 9]


async def test_who_comes_is_checked_by_the_next_look(node: Node, store: FakeStore) -> None:
    """What happened between the handshake and the entry, the last look may have seen already."""
    crowd = await a_crowd(node, store)
    late = await Viewer(node, identity=Identity("late", is_staff=True)).watch()
    store.banned = {"late"}
    store.is_away = True
    await node.rights.check()
    assert late.wire.closed is None
    store.is_away = False
    await node.rights.check()
    assert late.wire.closed is Closing.EXPIRED
    assert not any(viewer.wire.closed for viewer in crowd)


async def test_change_that_the_database_has_not_noted_is_found_in_turn(node: Node, store: FakeStore) -> None:
    crowd = await a_crowd(node, store)
    store.banned = {f"v{number}" for number in range(len(crowd))}
    await node.rights.check()
    assert sum(viewer.wire.closed is Closing.EXPIRED for viewer in crowd) == TURN
    await node.rights.check()
    assert all(viewer.wire.closed for viewer in crowd)


async def test_topics_are_looked_at_in_turn(node: Node, store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr("realtime.node.rights.TURN", 1)
    monkeypatch.setattr(Feed, "look_at_access", lambda feed: looked.append(feed.topic))
    viewer = Viewer(node)
    for topic in (VIDEO, OTHER):
        await viewer.watch(topic)
    for _ in range(2):
        await node.rights.check()
    assert sorted(looked) == sorted((VIDEO, OTHER))


@pytest.mark.parametrize("is_sse", [True, False])
async def test_nothing_follows_a_goodbye(node: Node, store: FakeStore, is_sse: bool) -> None:
    """What came with the event that closed a topic was still written to those it had closed out.

    They read a comment of a video that was private by then, behind the end of the response.
    """
    stranger = await Viewer(node, is_sse=is_sse).watch()
    node.deliver([to_wire(store.note("secret")), to_wire(store.note("between us")), totals(1, {"like": 1})])
    assert [name for name, _ in stranger.read()] == ["bye"]
    assert stranger.connection.id not in node.connections
