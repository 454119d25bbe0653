"""State of a topic: what becomes a frame, and what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from realtime.events import Burst, Counters, Durable, now_ms, to_wire
from realtime.log.store import Head, Loaded
from realtime.node.feed import RECEIVED_MAX, Change, Feed
from realtime.node.node import Node
from realtime.stamps import Passage
from tests.kit import Clock, until
from tests.realtime.fakes import EPOCH, VIDEO, FakeKind, FakeStore, NoteKind, Viewer
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


# The feed alone


PASSAGE = Passage("local", {"node": 1_012})


@pytest.fixture
def log() -> FakeStore:
    made = FakeStore()
    made.create(VIDEO)
    return made


@pytest.fixture
def feed() -> Feed:
    made = Feed(VIDEO, FakeKind())
    assert made.load(Loaded(Head(0, 0), {"notes": []}, {}, epoch=EPOCH)) == Change(is_access=True, is_counting=True)
    made.has_viewers = made.is_ready = True
    return made


def test_durable_event_is_a_frame_for_all_and_is_in_the_snapshot(feed: Feed, log: FakeStore) -> None:
    change = feed.take(log.note("hello"), PASSAGE)
    assert change is not None and change.durable is not None
    assert change._replace(durable=None) == Change()
    assert (change.durable.name, feed.seq, feed.snapshot["notes"]) == ("note", 1, ["hello"])
    assert feed.follow() is None


def test_event_that_comes_too_early_waits_for_the_one_before_it(feed: Feed, log: FakeStore) -> None:
    first, second, third = log.note("one"), log.note("two"), log.note("three")
    assert feed.take(third, PASSAGE) == feed.take(second, PASSAGE) == Change(is_missing=True)
    assert feed.follow() is None
    steps = [feed.take(first, PASSAGE), feed.follow(), feed.follow(), feed.follow()]
    assert [step and step.durable and json.loads(step.durable.body)["note"] for step in steps] == [
        "one", "two", "three", None,
    ]  # fmt: skip
    assert feed.take(second, PASSAGE) is None, "seen"


def test_each_event_that_waited_says_for_itself_who_may_read(feed: Feed, log: FakeStore) -> None:
    """If both were taken in one step, strangers would get what was written while the topic was closed."""
    first, closes, opens = log.note("one"), log.note("secret"), log.note("open")
    feed.take(closes, PASSAGE)
    feed.take(opens, PASSAGE)
    assert feed.take(first, PASSAGE) == Change(durable=[*feed.ring][-1])
    change = feed.follow()
    assert change is not None and change.is_access
    assert not feed.access.public
    change = feed.follow()
    assert change is not None and change.is_access
    assert feed.access.public


def of_notes(*named: tuple[str, dict[str, str]]) -> Feed:
    """Return a feed that has taken these events."""
    feed = Feed(VIDEO, NoteKind())
    feed.load(Loaded(Head(0, 0), {"notes": []}, epoch=EPOCH))
    feed.is_ready = True
    for seq, (name, note) in enumerate(named, start=1):
        feed.take(Durable.of(VIDEO, seq=seq, name=name, at_ms=seq, data={"note": note}), PASSAGE)
    return feed


def kept(feed: Feed) -> list[tuple[str, int, int, dict[str, str]]]:
    read = [(made.name, json.loads(made.body)) for made in feed.ring]
    assert [made.id for made in feed.ring] == [f"{VIDEO}@{EPOCH}.{data['seq']}" for _, data in read]
    return [(name, data["seq"], data["at_ms"], data["note"]) for name, data in read]


def test_what_is_taken_back_is_in_no_event_that_is_kept_and_no_seq_is_missing() -> None:
    """Who came back from before a deletion got the text that was deleted."""
    rude, kind = {"id": "a", "text": "rude"}, {"id": "b", "text": "not a"}
    feed = of_notes(("note", rude), ("note", kind), ("note_shown", rude), ("note_removed", {"id": "a"}), ("note", rude))
    assert kept(feed) == [
        ("note_removed", 1, 1, {"id": "a"}),
        ("note", 2, 2, kind),
        ("note_removed", 3, 3, {"id": "a"}),
        ("note_removed", 4, 4, {"id": "a"}),
        ("note", 5, 5, rude),
    ]


def test_what_is_replaced_is_in_no_event_that_is_kept() -> None:
    polite = {"id": "a", "text": "polite"}
    feed = of_notes(("note", {"id": "a", "text": "rude"}), ("note_edited", polite))
    assert kept(feed) == [("note", 1, 1, polite), ("note_edited", 2, 2, polite)]


def test_what_the_log_has_is_taken_back_as_what_has_come() -> None:
    rude = {"id": "a", "text": "rude"}
    read = Durable.of(VIDEO, seq=1, name="note", at_ms=1, data={"note": rude})
    feed = Feed(VIDEO, NoteKind())
    feed.load(Loaded(Head(1, 0), {"notes": []}, log=[replace(read, thing="a")], epoch=EPOCH))
    feed.is_ready = True
    feed.take(Durable.of(VIDEO, seq=2, name="note_removed", at_ms=2, data={"note": {"id": "a"}}), PASSAGE)
    assert kept(feed) == [("note_removed", 1, 1, {"id": "a"}), ("note_removed", 2, 2, {"id": "a"})]


def test_after_what_forgets_nothing_is_kept_of_before() -> None:
    feed = of_notes(("note", {"id": "a"}), ("note", {"id": "b"}), ("all_forgotten", {}))
    assert kept(feed) == [("all_forgotten", 3, 3, {})]


def test_topic_that_ends_says_that_nobody_counts_any_more(feed: Feed, log: FakeStore) -> None:
    change = feed.take(log.note("over"), PASSAGE)
    assert change is not None and change.is_counting


def test_events_that_come_while_the_topic_is_read_are_kept_and_change_nothing(log: FakeStore) -> None:
    feed = Feed(VIDEO, FakeKind())
    event = log.note("early")
    assert feed.take(event, PASSAGE) is None
    assert (feed.early, feed.seq) == ([(event, PASSAGE)], 0)


def test_counters_that_the_node_looks_up_are_state_and_older_ones_are_nothing(feed: Feed) -> None:
    assert feed.learn(Counters(VIDEO, 2, {"like": 2})) == Change(has_state=True)
    assert feed.take(Counters(VIDEO, 1, {"like": 1}, at_ms=1), PASSAGE) is None
    [made] = feed.waiting_frames("local")
    assert (made.name, json.loads(made.body)["total"]) == ("likes", 2)
    assert feed.waiting_frames("local") == []
