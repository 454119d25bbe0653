"""Limits, so that one viewer cannot use up the site for all others: token buckets and connection counts.

In the memory of each node: no round trip, no Redis needed; a site of N nodes allows N times as much at most. How much
is a setting wherever it is counted by address (realtime.conf, `LIVE_…_PER_ADDRESS`): a school, an office or a
carrier has all its people behind one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NewType

Network = NewType("Network", str)
"""What limits count as one address. `network_of` makes it."""

REFUSAL_SECONDS = 0.05
STREAM_RETRY_SECONDS = 5  # until a place may be free, when a client asks for the first time
CONNECTIONS_MAX = 18_000  # of 20,000 descriptors a process: the rest is for requests, the database, Redis


class Limited(Exception):
    """Too often. `retry_seconds`: when the next one is possible, whole seconds, at least 1."""

    def __init__(self, retry_seconds: float) -> None:
        super().__init__(f"again in {retry_seconds:.0f} s")
        self.retry_seconds = max(1, math.ceil(retry_seconds))


class NetworkFull(Limited):
    """Other people behind the same address have taken everything. It is not the fault of the refused viewer."""


def network_of(address: str) -> Network:
    """Return the network that an address counts as: a whole IPv4 address, or the /64 of IPv6, which one customer gets.

    IPv4 written as IPv6 (`::ffff:192.0.2.1`) is IPv4. A text that is no address stays as it is.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return Network(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return Network(str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64))))
    return Network(str(getattr(found, "ipv4_mapped", found)))


async def even_out(
    began: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Wait until a refusal that began then has taken `REFUSAL_SECONDS`.

    A topic that is closed to this viewer is known from memory. A topic that does not exist is looked up in the
    database. Without this the time of the answer would show the difference. It also slows down programs that try many
    ids.
    """
    await sleep(max(0.0, began + REFUSAL_SECONDS - clock()))


@dataclass(slots=True)
class RateLimit:
    """A token bucket per key: `burst` at once, then `per_second`. The least recently used keys are forgotten."""

    burst: int
    per_second: float
    clock: Callable[[], float] = time.monotonic
    keys_max: int = 100_000
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, key: str, count: int = 1) -> None:
        """Take tokens for the key. Raises Limited if there are not enough, and then takes none."""
        now = self.clock()
        tokens, since = self._buckets.pop(key, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - since) * self.per_second)
        allowed = tokens >= count
        self._buckets[key] = (tokens - count if allowed else tokens, now)
        if len(self._buckets) > self.keys_max:
            self._buckets.popitem(last=False)
        if not allowed:
            raise Limited((count - tokens) / self.per_second)

    def give_back(self, key: str, count: int = 1) -> None:
        """Give back tokens that were taken for nothing. A key that was forgotten meanwhile has its burst anyway."""
        if (bucket := self._buckets.get(key)) is not None:
            tokens, since = bucket
            self._buckets[key] = (min(float(self.burst), tokens + count), since)


@dataclass(slots=True)
class ConnectionLimit:
    """How many connections each address and each viewer holds on this node."""

    per_address: int
    per_viewer: int
    _networks: Counter[str] = field(default_factory=Counter)
    _viewers: Counter[str] = field(default_factory=Counter)

    def enter(self, network: Network, viewer_id: str) -> None:
        """Count a connection in. Raises Limited, NetworkFull, and then counts nothing."""
        if viewer_id and self._viewers[viewer_id] >= self.per_viewer:
            raise Limited(STREAM_RETRY_SECONDS)
        if self._networks[network] >= self.per_address:
            raise NetworkFull(STREAM_RETRY_SECONDS)
        self._networks[network] += 1
        if viewer_id:
            self._viewers[viewer_id] += 1

    def leave(self, network: Network, viewer_id: str) -> None:
        for counts, key in ((self._networks, network), (self._viewers, viewer_id)):
            counts[key] -= 1
            if counts[key] <= 0:
                del counts[key]
