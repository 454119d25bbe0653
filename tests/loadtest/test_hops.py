"""What the nodes have measured, read from their metrics."""

from __future__ import annotations

import asyncio
import json

import pytest

from loadtest.hops import Readings, parse_metrics, read_hops
from loadtest.machine import reach
from realtime.metrics import quantile_ms
from tests.loadtest.fake_site import FakeSite

PAGE = """# HELP live_hop_seconds From when it was received
live_hop_seconds_bucket{event="likes",hop="written",le="0.001",region="eu"} %d.0
live_hop_seconds_bucket{event="likes",hop="written",le="0.01",region="eu"} %d.0
live_hop_seconds_bucket{event="likes",hop="written",le="+Inf",region="eu"} %d.0
live_hop_seconds_bucket{event="comment",hop="written",le="0.01",region="eu"} 1.0
live_hop_seconds_bucket{event="likes",hop="seen",le="0.02",region="us"} 4.0
live_hop_seconds_bucket{event="comment",hop="seen",le="0.02",region="eu"} 3.0
live_fanout_seconds_bucket{le="0.001"} 7.0
live_commit_batch_size_bucket{le="1.0"} 7.0
"""


def test_hops_are_read_from_the_metrics_summed_over_labels() -> None:
    found = parse_metrics(PAGE % (1, 2, 3))
    assert found["written"] == {0.001: 1, 0.01: 3, float("inf"): 3}
    assert (found["seen"], found["likes seen"], found["comment seen"]) == ({0.02: 7}, {0.02: 4}, {0.02: 3})
    assert found["to all"] == {0.001: 7}
    assert found["at node"] == {}


@pytest.mark.parametrize(
    ("buckets", "quantile", "expected"),
    [
        ({0.01: 10, 0.02: 20, float("inf"): 20}, 0.5, 10.0),
        ({0.01: 10, 0.02: 20, float("inf"): 20}, 0.9, 18.0),
        ({0.01: 0, 0.02: 0, float("inf"): 5}, 0.5, 20.0),  # above the last bound
        ({0.01: 0, float("inf"): 0}, 0.5, None),
        ({}, 0.5, None),
    ],
)
def test_a_quantile_lies_on_a_straight_line_in_its_bucket(
    buckets: dict[float, float], quantile: float, expected: float | None
) -> None:
    assert quantile_ms(buckets, quantile) == pytest.approx(expected)


def test_hops_of_a_run_are_what_came_between_at_nodes_that_were_there_all_the_time() -> None:
    before = Readings({"a": {"written": {0.01: 5, 0.02: 5}}, "gone": {}})
    after = Readings({"a": {"written": {0.01: 5, 0.02: 15}}, "new": {"written": {0.01: 1_000, 0.02: 1_000}}})
    assert after.since(before)["written"] == pytest.approx({"p50": 15.0, "p90": 19.0, "p99": 19.9})
    assert after.since(before)["committed"] == {"p50": None, "p90": None, "p99": None}


async def test_nodes_behind_one_port_are_told_apart_and_each_is_read() -> None:
    """Two nodes share a listening socket: each connection is one's, and which one is chance."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        node = connections % 3 // 2  # every third connection is the other node's
        connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            page = PAGE % (0, node, node + 5) if b"/metrics" in head else json.dumps({"id": f"node-{node}"})
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page.encode()))

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(quietly, "127.0.0.1", 0) as server:
        address = reach(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        readings = await read_hops([address], nodes=2)
        alone = await read_hops([address], nodes=1)
    assert {node: hops["written"][float("inf")] for node, hops in readings.nodes.items()} == {"node-0": 5, "node-1": 6}
    assert len(alone.nodes) >= 1


async def test_a_site_without_metrics_has_no_hops(fake: FakeSite) -> None:
    assert (await read_hops([reach(fake.url)], nodes=2)).nodes == {}
