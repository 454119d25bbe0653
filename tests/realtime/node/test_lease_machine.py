"""Nodes and the real table, whatever happens to them: in the end the table says what the nodes hold."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from realtime.events import NodeId, TopicName
from realtime.node import leases
from realtime.node.leases import LeaseTable
from realtime.node.node import Node
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import SharedTable
from tests.realtime.fakes import FakeKind, FakeStore, Viewer, write_descriptor

VIDEOS = [TopicName(f"video:{number}") for number in range(4)]
INBOXES = [TopicName(f"inbox:{number}") for number in range(4)]
STEPS = 120
ROUNDS = 6  # of renewals, until all is right again


class InboxKind(FakeKind):
    prefix = "inbox"
    counts_viewers = False

    def has_viewers(self, snapshot: Mapping[str, Any]) -> bool:
        return False


class ShakyTable:
    """One node's way to the table. It may be cut off, or lose the answer to what was carried out."""

    def __init__(self, table: SharedTable) -> None:
        self._table = table
        self.is_away = self.loses_answer = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._table, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.is_away:
                raise TableUnavailable("away")
            answer = await method(*args, **kwargs)
            if self.loses_answer:
                self.loses_answer = False
                raise TableUnavailable("the answer got lost")
            return answer

        return call


class Region:
    """Some nodes of one table, their viewers, and the names of those that have died."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.prefix = f"test:{uuid.uuid4().hex}:"
        self.table = SharedTable(redis, lease_seconds=600, prefix=self.prefix)
        self.store = FakeStore()
        for topic in (*VIDEOS, *INBOXES):
            self.store.create(topic)
        self.nodes: dict[Node, ShakyTable] = {}
        self.viewers: list[Viewer] = []
        self.dead: list[NodeId] = []

    def start_node(self) -> Node:
        table = ShakyTable(self.table)
        node = Node(
            NodeId(f"node-{len(self.nodes) + len(self.dead)}"),
            table=cast(LeaseTable, table),
            store=self.store,
            kinds={"video": FakeKind(), "inbox": InboxKind()},
            frame_seconds=0.0,
            write=write_descriptor,
        )
        self.nodes[node] = table
        return node

    async def end_node(self, node: Node, *, is_killed: bool) -> None:
        self.viewers = [viewer for viewer in self.viewers if viewer.node is not node]
        if is_killed:
            await node.aclose()
            await self.end_lease(node)
        else:
            await node.drain(window_seconds=0)
            if self.nodes[node].is_away:
                await self.end_lease(node)
        del self.nodes[node]
        self.dead.append(node.id)

    async def end_lease(self, node: Node) -> None:
        """As if the node had been silent for the length of its lease."""
        await self.redis.zadd(f"{self.prefix}leases", {node.id: 1}, xx=True)

    async def come(self, node: Node, topic: TopicName, key: int) -> None:
        is_new = topic not in node.feeds and not self.nodes[node].is_away and not self.nodes[node].loses_answer
        self.viewers.append(await Viewer(node, key=key).watch(topic))
        if is_new:
            found = await self.table.nodes_for([topic])
            assert node.id in found[topic], "an event that is published now must reach the viewer"

    def go(self, viewer: Viewer) -> None:
        viewer.node.remove(viewer.connection)
        self.viewers.remove(viewer)

    async def keys(self, kind: str = "") -> list[str]:
        return sorted([str(key, "utf-8") async for key in self.redis.scan_iter(f"{self.prefix}{kind}*")])

    async def keys_to_lose(self) -> list[str]:
        """Return the keys whose loss costs nothing. Without the others, nobody finds what a dead node has left."""
        return [key for key in await self.keys() if not key.endswith(("leases", *self.dead)) and ":topics:" not in key]

    def held(self) -> dict[TopicName, frozenset[NodeId]]:
        """Return what the table should say."""
        return {
            topic: frozenset(node.id for node in self.nodes if topic in node.feeds) for topic in (*VIDEOS, *INBOXES)
        }

    def counts(self) -> dict[TopicName, int]:
        watching = [(topic, viewer.connection.key) for viewer in self.viewers for topic in viewer.connection.topics]
        return {topic: len({key for its, key in watching if its == topic}) for topic in VIDEOS}

    async def wrong(self) -> list[object]:
        """Return what the table or a node says that is not so, and what is left of the dead."""
        held, counts = await self.table.nodes_for([*VIDEOS, *INBOXES]), self.counts()
        watched = await self.table.watched(VIDEOS)
        return [
            *((topic, nodes) for topic, nodes in self.held().items() if held[topic] != nodes),
            *((topic, watched[topic], count) for topic, count in counts.items() if watched[topic].count != count),
            *(
                (node.id, topic, feed.watched, counts[topic])
                for node in self.nodes
                for topic, feed in node.feeds.items()
                if feed.kind.counts_viewers and feed.watched.count != counts[topic]
            ),
            *[topic for id in self.dead for topic in await self.table.entered(id)],
            *(key for key in await self.keys() if any(key.endswith(id) for id in self.dead)),
        ]


@pytest.fixture
async def region(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Region]:
    monkeypatch.setattr(leases, "LINGER_SECONDS", -1.0)
    monkeypatch.setattr(leases, "CHECK_SECONDS", 2.0)  # each renewal of the lease looks at all entries
    made = Region(redis)
    for _ in range(3):
        made.start_node()
    yield made
    for node in made.nodes:
        await node.aclose()


@pytest.mark.parametrize("seed", [17, 22, *range(4)])
async def test_whatever_happens_the_table_comes_to_say_what_nodes_hold(region: Region, seed: int) -> None:
    """Viewers come and go, nodes die, drain, are cut off and come back, answers get lost, and so do keys of Redis."""
    dice = random.Random(seed)
    for _ in range(STEPS):
        node = dice.choice(list(region.nodes))
        match dice.randrange(24):
            case 0:
                await region.end_node(node, is_killed=dice.random() < 0.7)
                region.start_node()
            case 1:
                for key in await region.keys():
                    await region.redis.delete(key)
            case 2:
                if keys := await region.keys_to_lose():
                    await region.redis.delete(dice.choice(keys))
            case 3 | 4:
                region.nodes[node].is_away = not region.nodes[node].is_away
            case 5:
                region.nodes[node].loses_answer = True
            case 6:
                await region.end_lease(node)
            case 7 | 8 | 9 | 10:
                await node.leases.renew(full=True)
            case 11 | 12:
                await node.leases.renew(full=False)
            case 13 | 14 | 15 | 16 if region.viewers:
                region.go(dice.choice(region.viewers))
            case _:
                await region.come(node, dice.choice([*VIDEOS, *INBOXES]), dice.randrange(1, 30))
    for table in region.nodes.values():
        table.is_away = table.loses_answer = False
    for _ in range(ROUNDS):
        for node in region.nodes:
            await node.leases.renew(full=True)
    assert await region.wrong() == []
    for viewer in list(region.viewers):
        region.go(viewer)
    for _ in range(ROUNDS):
        for node in region.nodes:
            await node.leases.renew(full=True)
    assert [key for kind in ("nodes", "viewers", "topics", "ids") for key in await region.keys(kind)] == []


async def test_node_enters_again_what_the_table_has_lost_of_the_list_of_its_topics(region: Region) -> None:
    """Who sweeps after its death finds its topics in that list."""
    [node, other, _] = region.nodes
    await region.come(node, VIDEOS[0], 1)
    await region.come(node, INBOXES[0], 1)
    await node.leases.renew()
    await region.redis.delete(f"{region.prefix}topics:{node.id}")
    await node.leases.renew()
    assert await region.table.entered(node.id) == {VIDEOS[0], INBOXES[0]}
    await region.end_node(node, is_killed=True)
    await other.leases.renew()
    assert await region.keys("nodes") == []
