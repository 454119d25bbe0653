"""Access is an invariant of a node: whatever happens in whatever order, all members of a topic may read it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime.events import Durable, Epoch, NodeId, to_wire
from realtime.identity import ANONYMOUS, Identity
from realtime.log.store import TopicGone
from realtime.node import repair
from realtime.node.node import Node
from tests.realtime.fakes import VIDEO, FakeKind, FakeStore, FakeTable, Viewer, write_descriptor

T = TypeVar("T")

HERE = frozenset((VIDEO,))
WATCHERS = [
    ANONYMOUS,
    Identity(topics=HERE),
    Identity("other"),
    Identity("other", topics=HERE),
    Identity("friend"),
    Identity("friend", topics=HERE),
    Identity("friend", topics=frozenset()),
    Identity("boss", is_staff=True),
]


class Rights(RuleBasedStateMachine):
    """A topic is closed and opened; its node hears of it by an event, or by a pull, a reload, a restored backup."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = FakeStore()
        self.store.create(VIDEO)
        self.viewers: list[tuple[Viewer, bool]] = []
        self.hidden: set[str] = set()
        self.lost: list[Durable] = []
        self.numbers = iter(range(1, 10_000))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def and_what_follows() -> T:
            try:
                return await work
            finally:
                while len(self.node.tasks):
                    await asyncio.sleep(0)

        return self.loop.run_until_complete(and_what_follows())

    @initialize()
    def start_node(self) -> None:
        async def start() -> Node:
            return Node(
                NodeId("node"),
                table=FakeTable(),
                store=self.store,
                kinds={"video": FakeKind()},
                frame_seconds=0.0,
                write=write_descriptor,
            )

        self.node = self.loop.run_until_complete(start())

    def teardown(self) -> None:
        self.loop.run_until_complete(self.node.aclose())
        self.loop.close()

    @property
    def is_public(self) -> bool:
        return FakeKind().access({"notes": [json.loads(event.body)["note"] for event in self.store.logs[VIDEO]]}).public

    def commit(self, text: str) -> None:
        said = f"{text} {next(self.numbers)}"
        self.lost.append(self.store.note(said))
        self.hidden = self.hidden | {said} if not self.is_public else set()

    @rule(text=st.sampled_from(["note", "secret", "open"]))
    def write(self, text: str) -> None:
        self.commit(text)

    @rule(keep=st.integers(0, 2))
    def deliver(self, keep: int) -> None:
        """What was written comes, all but the first."""

        async def deliver() -> None:
            self.node.deliver([to_wire(event) for event in self.lost[keep:]])

        self.run(deliver())
        self.lost = []

    @rule()
    def reconcile(self) -> None:
        """A pull, or a reload where more is missing than a pull brings."""
        self.run(self.node.repair.reconcile())

    @rule()
    def forget_history(self) -> None:
        self.store.kept_from = len(self.store.logs[VIDEO]) + 1

    @rule(text=st.sampled_from(["note", "secret", "open"]), by_epoch=st.booleans())
    def read_again_while_something_comes(self, text: str, by_epoch: bool) -> None:
        """The node reads the topic; before it has the answer, an event is written and delivered."""

        async def meanwhile() -> None:
            if by_epoch:
                self.store.epoch = Epoch(f"e{next(self.numbers)}")
            self.store.hold = asyncio.Event()
            reading = asyncio.create_task(self.node.repair.reconcile())
            for _ in range(3):
                await asyncio.sleep(0)
            self.commit(text)
            self.node.deliver([to_wire(event) for event in self.lost])
            self.store.hold.set()
            self.store.hold = None
            await reading

        self.run(meanwhile())
        self.lost = []

    @rule(keep=st.integers(0, 3))
    def restore(self, keep: int) -> None:
        """A backup with the first events only."""
        del self.store.logs[VIDEO][keep:]
        self.lost = []
        self.store.epoch = Epoch(f"e{next(self.numbers)}")
        left = {json.loads(event.body)["note"] for event in self.store.logs[VIDEO]}
        self.hidden = set() if self.is_public else self.hidden & left

    @rule(identity=st.sampled_from(WATCHERS), is_sse=st.booleans(), after=st.none() | st.integers(0, 5))
    def watch(self, identity: Identity, is_sse: bool, after: int | None) -> None:
        viewer = Viewer(self.node, is_sse=is_sse, identity=identity)
        try:
            self.run(viewer.watch(after=after, epoch=self.store.epoch))
        except TopicGone:
            self.node.remove(viewer.connection)
            return
        may_always = identity.is_staff or (identity.viewer_id == "friend" and identity.topics in (None, HERE))
        self.viewers.append((viewer, may_always))

    @precondition(lambda self: self.viewers)
    @rule(place=st.integers(0, 100), name=st.sampled_from(["other", "friend"]))
    def identify(self, place: int, name: str) -> None:
        viewer, may_always = self.viewers[place % len(self.viewers)]
        if not viewer.connection.identity.viewer_id and viewer.connection.id in self.node.connections:
            self.node.identify(viewer.connection, Identity(name))
            self.viewers[place % len(self.viewers)] = (viewer, may_always or name == "friend")

    @rule()
    def look_again(self) -> None:
        self.run(self.node.rights.check())

    @rule()
    def drain(self) -> None:
        self.run(self.node.drain(window_seconds=0.0))
        assert not self.node.connections
        self.viewers = []
        self.start_node()

    @invariant()
    def members_may_read(self) -> None:
        for feed in self.node.feeds.values() if hasattr(self, "node") else ():
            access = feed.kind.access(feed.snapshot)
            assert access == feed.access
            for member in feed.members:
                assert access.allows(feed.topic, member.identity), member.identity

    @invariant()
    def nobody_reads_what_is_closed_to_them(self) -> None:
        for viewer, may_always in self.viewers:
            if not may_always:
                read = json.dumps([viewer.opening, viewer.first, viewer.read()])
                assert not [text for text in self.hidden if f'"{text}"' in read]


@pytest.fixture(autouse=True)
def short_pulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that is four events behind starts again from its snapshot."""
    monkeypatch.setattr(repair, "PULL_MAX_EVENTS", 4)


class TestRights(Rights.TestCase):  # type: ignore[valid-type, misc]
    settings = settings(
        max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
