"""How long the hops of the path take, from the nodes' own histograms (`/metrics`, realtime.metrics). Called by `run`.

Nodes that share a port answer in turn, each for itself. `/readyz` and `/metrics` over one kept-alive connection come
from one node, and `/readyz` names it. So we can tell the nodes apart, and ask until all have answered. Many connections
are opened at once, because the kernel gives connections that come one by one to the same idle node.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtest.machine import Address
from loadtest.requests import RequestRefused, connect
from loadtest.wire import Broken, RawRequest
from realtime.metrics import QUANTILES, Buckets, quantile_ms

_SINCE_RECEIVED = "live_hop_seconds"
HOPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "committed": (_SINCE_RECEIVED, {"hop": "committed"}),
    "dispatched": (_SINCE_RECEIVED, {"hop": "dispatched"}),
    "at node": (_SINCE_RECEIVED, {"hop": "node"}),
    "written": (_SINCE_RECEIVED, {"hop": "written"}),  # to the first viewer
    "seen": (_SINCE_RECEIVED, {"hop": "seen"}),  # by the sample that acknowledges
    "comment seen": (_SINCE_RECEIVED, {"hop": "seen", "event": "comment"}),
    "likes seen": (_SINCE_RECEIVED, {"hop": "seen", "event": "likes"}),
    "to all": ("live_fanout_seconds", {}),  # a frame, from the first viewer to the last
}
"""For each hop the metric, and the labels of its samples."""
ROUNDS = 4
CONNECTIONS_EACH = 8
"""Connections at once, for each node that we look for."""
SECONDS_MAX = 5.0

_BUCKET = re.compile(r"^(live_\w+)_bucket\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(slots=True)
class Readings:
    """What the nodes have counted: node -> hop -> buckets."""

    nodes: dict[str, dict[str, Buckets]] = field(default_factory=dict)

    def since(self, before: Readings) -> dict[str, dict[str, float | None]]:
        """Return p50, p90 and p99 of each hop between the two readings, in ms, over the nodes that are in both."""
        found = {}
        for hop in HOPS:
            sum_: Buckets = {}
            for node in self.nodes.keys() & before.nodes.keys():
                earlier = before.nodes[node].get(hop, {})
                for bound, count in self.nodes[node].get(hop, {}).items():
                    sum_[bound] = sum_.get(bound, 0.0) + count - earlier.get(bound, 0.0)
            found[hop] = {name: quantile_ms(sum_, quantile) for name, quantile in QUANTILES.items()}
        return found


def parse_metrics(text: str) -> dict[str, Buckets]:
    """Return the hops' buckets of a page of metrics, summed over all labels that `HOPS` does not name."""
    found: dict[str, Buckets] = {hop: {} for hop in HOPS}
    for metric, text_of_labels, count in _BUCKET.findall(text):
        labels = dict(_LABEL.findall(text_of_labels))
        for hop, (of, given) in HOPS.items():
            if of == metric and given.items() <= labels.items():
                bound = float(labels["le"])
                found[hop][bound] = found[hop].get(bound, 0.0) + float(count)
    return found


async def read_hops(addresses: Sequence[Address], *, nodes: int) -> Readings:
    """Ask the addresses until `nodes` nodes have answered, `ROUNDS` times at most. Never raises."""
    readings = Readings()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_MAX):
            for _ in range(ROUNDS):
                if len(readings.nodes) < nodes:
                    asked = [addresses[number % len(addresses)] for number in range(CONNECTIONS_EACH * nodes)]
                    await asyncio.gather(*(_read_one(address, readings) for address in asked))
    return readings


async def _read_one(address: Address, readings: Readings) -> None:
    exchange = None
    try:
        exchange = await connect(address)
        ready = await exchange.send(RawRequest("GET", "/readyz").encode(address.host_header))
        node = str(ready.json()["id"])
        if node in readings.nodes or not exchange.usable:
            return
        readings.nodes[node] = {}  # so that no other connection to this node asks too
        page = await exchange.send(RawRequest("GET", "/metrics").encode(address.host_header))
        readings.nodes[node] = parse_metrics(page.body.decode())
    except (OSError, TimeoutError, Broken, RequestRefused, KeyError, UnicodeDecodeError):
        return  # another connection may answer
    finally:
        if exchange:
            exchange.close()
