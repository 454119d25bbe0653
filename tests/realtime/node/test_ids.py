"""The ids of an event stream: who is cut behind any event goes on in all topics where they were."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.events import Epoch, NodeId, Position, TopicName, event_id, parse_event_ids, to_wire
from realtime.node import fanout
from realtime.node.connections import TOPICS_MAX
from realtime.node.node import Node
from realtime.node.subscribing import change_topics
from tests.kit import until
from tests.realtime.fakes import EPOCH, VIDEO, FakeKind, FakeStore, FakeTable, Viewer, read_chunks, write_descriptor
from tests.realtime.node.shared import OTHER

TOPICS = (VIDEO, OTHER)


def made_store() -> FakeStore:
    store = FakeStore()
    for topic in TOPICS:
        store.create(topic)
    return store


@contextlib.asynccontextmanager
async def running(store: FakeStore) -> AsyncIterator[Node]:
    node = Node(
        NodeId("node"),
        table=FakeTable(),
        store=store,
        kinds={"video": FakeKind()},
        frame_seconds=0.0,
        write=write_descriptor,
    )
    yield node
    await node.aclose()


@pytest.fixture
def store() -> FakeStore:
    return made_store()


@pytest.fixture
async def node(store: FakeStore) -> AsyncIterator[Node]:
    async with running(store) as node:
        yield node


def blocks(viewer: Viewer) -> list[dict[str, str]]:
    """Return the fields of each event that the viewer has read."""
    viewer.wire.drain()
    texts = read_chunks(viewer.wire.socket.taken).decode().split("\n\n")
    return [dict(line.split(": ", 1) for line in text.split("\n")) for text in texts if text]


async def follow(node: Node, last: str = "", topics: tuple[TopicName, ...] = TOPICS, **options: Any) -> Viewer:
    """Open a stream, with what a browser keeps of the last one, and read its hello."""
    viewer = Viewer(node, **options)
    after = parse_event_ids(last)
    for topic in topics:
        await node.prepare(topic, viewer.connection.identity, after=after.get(topic))
    openings = [node.enter(viewer.connection, topic, after=after.get(topic)) for topic in topics]
    viewer.wire.write(node.hello(viewer.connection, openings))
    return viewer


async def test_hello_has_an_id_also_for_one_topic(node: Node, store: FakeStore) -> None:
    store.note("before")
    viewer = await follow(node, topics=(VIDEO,))
    assert [block["id"] for block in blocks(viewer)] == [event_id(VIDEO, Position(EPOCH, 1))]


async def test_hello_of_who_comes_back_has_the_position_before_what_they_missed(node: Node, store: FakeStore) -> None:
    """Cut between the two they would have missed it for good."""
    store.note("missed")
    last = f"{event_id(VIDEO, Position(EPOCH, 0))},{event_id(OTHER, Position(EPOCH, 0))}"
    hello, missed, *_ = blocks(await follow(node, last))
    assert hello["id"] == last
    assert set(missed["id"].split(",")) == {event_id(VIDEO, Position(EPOCH, 1)), event_id(OTHER, Position(EPOCH, 0))}


async def test_hello_before_a_reset_names_no_position(node: Node, store: FakeStore) -> None:
    """Cut between the two they would go on from a state that they never got."""
    store.note("all there is")
    last = event_id(VIDEO, Position(Epoch("other"), 9))
    hello, reset = blocks(await follow(node, last, topics=(VIDEO,)))
    assert ("id" in hello, reset["event"], reset["id"]) == (False, "reset", event_id(VIDEO, Position(EPOCH, 1)))


async def test_topic_that_is_added_or_given_back_is_in_the_ids_or_is_not(node: Node, store: FakeStore) -> None:
    viewer = await follow(node, topics=(VIDEO,))
    fd = viewer.connection.direct_fd
    await change_topics(node, viewer.connection, {OTHER: None}, [])
    node.deliver([to_wire(store.note("one"))])
    await change_topics(node, viewer.connection, {}, [OTHER])
    node.deliver([to_wire(store.note("two"))])
    here, there = [event_id(VIDEO, Position(EPOCH, seq)) for seq in range(3)], event_id(OTHER, Position(EPOCH, 0))
    ids = [block["id"].split(",") for block in blocks(viewer) if "id" in block]
    assert [set(id) for id in ids] == [{here[0]}, {here[0], there}, {here[1], there}, {here[2]}]
    assert viewer.connection.direct_fd == fd, "with one topic it is written to with all others"


async def test_who_keeps_positions_themselves_is_written_to_with_all_others(node: Node, store: FakeStore) -> None:
    viewer = Viewer(node)
    viewer.connection.has_ids_of_all = False
    for topic in TOPICS:
        await viewer.watch(topic)
    assert viewer.connection.direct_fd == viewer.wire.direct_fd >= 0
    node.deliver([to_wire(store.note("one"))])
    assert [block["id"] for block in blocks(viewer)] == [event_id(VIDEO, Position(EPOCH, 1))]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    at_first=st.lists(st.booleans(), max_size=4),
    later=st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=4),
    slice_connections=st.sampled_from([1, 500]),
)
async def test_who_is_cut_behind_any_event_misses_nothing(
    at_first: list[bool], later: list[list[bool]], slice_connections: int
) -> None:
    """Also while the events of both topics are on their way to many viewers, in slices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fanout, "SLICE_CONNECTIONS", slice_connections)
        store = made_store()
        async with running(store) as node:
            first = await follow(node)
            others = [await Viewer(node).watch(topic) for topic in (*TOPICS, *TOPICS)]
            node.deliver([to_wire(store.note("first", TOPICS[other])) for other in at_first])
            await until(lambda: not any(feed.sending.outbox for feed in node.feeds.values()))
            last = next((block["id"] for block in reversed(blocks(first)) if "id" in block), "")
            node.remove(first.connection)
            second = await follow(node, last)
            for batch in later:
                node.deliver([to_wire(store.note("later", TOPICS[other])) for other in batch])
            await until(lambda: not any(feed.sending.outbox for feed in node.feeds.values()))
            assert len(others) == 4
            seen = dict(parse_event_ids(last))
            for block in blocks(second):
                if "id" in block:
                    named = parse_event_ids(block["id"])
                    if block["event"] == "note":
                        topic = next(topic for topic in TOPICS if f'"{topic}"' in block["data"])
                        assert named[topic].seq == seen[topic].seq + 1
                        seen[topic] = named[topic]
                    assert all(named[topic].seq <= seen[topic].seq for topic in TOPICS), "ahead of what was read"
            assert [seen[topic].seq for topic in TOPICS] == [len(store.logs[topic]) for topic in TOPICS]


def test_longest_id_is_far_from_what_a_header_may_have() -> None:
    """A whole head may have 16 KB."""
    longest = event_id(TopicName("conversation:" + "x" * 64), Position(Epoch("e" * 12), 10**18 - 1))
    assert len(",".join([longest] * TOPICS_MAX)) < 6_000
