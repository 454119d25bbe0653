"""Heartbeats, and the end of a node."""

from __future__ import annotations

import asyncio
from typing import Any

from realtime.node.connections import Closing
from realtime.node.node import Node
from tests.kit import until
from tests.realtime.fakes import VIDEO, FakeTable, Viewer


async def test_drain_tells_everybody_when_to_come_back_and_leaves_the_table(node: Node, table: FakeTable) -> None:
    viewers = [await Viewer(node, is_sse=number % 2 == 0).watch() for number in range(120)]
    await node.drain(window_seconds=0.01)
    assert all(viewer.read()[-1][0] == "drain" for viewer in viewers)
    assert all(viewer.last("drain")["retry_ms"] > 0 for viewer in viewers)
    assert all(viewer.wire.closed is Closing.DRAIN for viewer in viewers)
    assert await table.nodes_for([VIDEO]) == {VIDEO: frozenset()}


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
