"""What the node's tests share: nodes on fakes, and events."""

from __future__ import annotations

import sys
from collections.abc import Callable

from realtime.events import Counters, NodeId, TopicName, to_wire
from realtime.node.node import Node
from tests.kit import Clock
from tests.realtime.fakes import VIDEO, FakeKind, FakeStore, FakeTable, write_descriptor

OTHER = TopicName("video:2")


def make_node(
    table: FakeTable,
    store: FakeStore,
    clock: Clock,
    *,
    count_after_seconds: float = 0.0,
    kept_bytes: int = sys.maxsize,
    write: Callable[[int, bytes], int] = write_descriptor,
) -> Node:
    return Node(
        NodeId("node-1"),
        table=table,
        store=store,
        kinds={"video": FakeKind()},
        frame_seconds=0.0,
        count_after_seconds=count_after_seconds,
        kept_bytes=kept_bytes,
        clock=clock,
        write=write,
    )


def totals(version: int, kinds: dict[str, int], *, names: tuple[str, ...] = (), at_ms: int = 1) -> list[object]:
    return to_wire(Counters(VIDEO, version, kinds, names, at_ms))


async def count(node: Node, table: FakeTable) -> int:
    """Renew the node's leases and return the viewers that the table has counted."""
    await node.leases.renew()
    return (await table.watched([VIDEO]))[VIDEO].count
