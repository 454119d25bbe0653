"""Who counts as a viewer, and since when."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from realtime.events import to_wire
from realtime.identity import ANONYMOUS, Identity
from realtime.node.node import Node
from realtime.table.counting import UNCOUNTED
from realtime.table.subscriptions import Watched
from tests.kit import Clock, until
from tests.realtime.fakes import VIDEO, FakeStore, FakeTable, Viewer
from tests.realtime.node.shared import count, make_node


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
    made = make_node(table, store, clock, count_after_seconds=3.0)
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
