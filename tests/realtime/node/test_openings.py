"""What a viewer who comes back gets."""

from __future__ import annotations

import pytest

from realtime.events import Epoch, to_wire
from realtime.node.node import Node
from realtime.node.repair import PULL_MAX_EVENTS
from tests.kit import Clock, sample
from tests.realtime.fakes import EPOCH, VIDEO, FakeStore, FakeTable, Viewer
from tests.realtime.node.shared import OTHER, make_node


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


async def test_position_that_is_not_kept_for_want_of_memory_is_answered_with_a_reset(
    table: FakeTable, store: FakeStore, clock: Clock
) -> None:
    node = make_node(table, store, clock, kept_bytes=200_000)
    node.start()
    for number in range(500):
        store.note(f"{number}")
    back = await Viewer(node).watch(after=100)
    [(name, data)] = back.first
    assert (name, data["reason"]) == ("reset", "too_old")
    assert [data["note"] for name, data in (await Viewer(node).watch(after=499)).first if name == "note"] == ["499"]
    assert 0 < sample("live_kept_bytes") <= 200_000
    await node.aclose()


async def test_topic_that_nobody_watches_any_more_takes_no_memory(
    table: FakeTable, store: FakeStore, clock: Clock
) -> None:
    node = make_node(table, store, clock)
    node.start()
    store.note("here")
    store.note("and there", OTHER)
    await Viewer(node).watch()
    await Viewer(node).watch(OTHER)
    before = sample("live_kept_bytes")
    node.drop(node.feeds[VIDEO])
    assert 0 < sample("live_kept_bytes") < before
    node.drop(node.feeds[OTHER])
    assert sample("live_kept_bytes") == 0
    await node.aclose()
