"""What a region watches, as a digest: a Bloom filter of its topics.

Hop: beside the path. Each node enters the topics that it serves into its region's table; the relay sends the peers what
all nodes together watch; a peer's dispatchers ask the digest before they hand an event over. The only I/O is the
table's.

Promise: a topic that a node serves is in the digest within a second, else events come with the node's look at the
database, 2 s late. A topic that is not served may be in it, by chance or for up to `REBUILD_SECONDS`. Then an event
travels in vain. If a peer has been silent for long, nobody knows what it watches, and it gets everything.
Source: Bloom, "Space/time trade-offs in hash coding with allowable errors" (1970); two hashes in 2^20 bits: 0.04 % of
foreign topics pass at 10,000 topics, 3 % at 100,000.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from realtime import metrics
from realtime.batches import news_gathered
from realtime.events import NodeId, TopicName
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import Watched

BITS = 1 << 20
BITMAP_BYTES = BITS // 8
REPORT_SECONDS = 2.0
GATHER_SECONDS = 0.02
REBUILD_SECONDS = 10.0
COUNTS_MAX = 2_000  # topics that are sent at once
COUNTS_SECONDS = 5.0  # numbers of viewers are reported again; after three times as long they no longer count


def places(topic: str) -> tuple[int, int]:
    """Return the two bits of a topic."""
    digest = hashlib.blake2b(topic.encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "big") % BITS, int.from_bytes(digest[4:], "big") % BITS


def is_in(topic: str, bitmap: bytes) -> bool:
    """Return whether the topic may be watched. False: it is certainly not watched. Bits are numbered as in Redis."""
    return all(bitmap[place >> 3] & (0x80 >> (place & 7)) for place in places(topic))


def bitmap_of(topics: Iterable[str]) -> bytes:
    """Return the digest of the topics."""
    bits = bytearray(BITMAP_BYTES)
    for topic in topics:
        for place in places(topic):
            bits[place >> 3] |= 0x80 >> (place & 7)
    return bytes(bits)


class InterestTable(Protocol):
    """The part of the relay's table that a node needs (realtime.relay.table)."""

    async def watch(self, node: NodeId, added: Iterable[str]) -> bool:
        """Note what a node serves in addition to what it has entered. False: the table does not know the rest."""
        ...

    async def watch_all(self, node: NodeId, bitmap: bytes) -> None:
        """Note everything that a node serves."""
        ...

    async def count(self, counts: dict[TopicName, tuple[int, int]]) -> None:
        """Note how many viewers (count, peak) topics have in this region."""
        ...


class Interest:
    """One node's report to its region's relay: which topics it serves, and how many viewers they have here.

    `topics` returns the topics that the node serves now.
    """

    def __init__(
        self,
        node: NodeId,
        table: InterestTable,
        topics: Callable[[], Iterable[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._table = table
        self._topics = topics
        self._clock = clock
        self._added: set[str] = set()
        self._counts: dict[TopicName, tuple[int, int]] = {}
        self._changed: set[TopicName] = set()  # with counts that were not reported
        self._counted_at = float("-inf")
        self._is_stale = True  # topics were dropped, or the table has lost entries
        self._rebuilt_at = float("-inf")
        self._wake = asyncio.Event()

    def add(self, topic: TopicName) -> None:
        """The node begins to serve a topic: report it at once."""
        self._added.add(topic)
        self._wake.set()

    def drop(self, topic: TopicName) -> None:
        """The node no longer serves a topic. The topic leaves the digest when the digest is made anew."""
        self._counts.pop(topic, None)
        self._changed.discard(topic)
        self._is_stale = True

    def count(self, topic: TopicName, here: Watched) -> None:
        """Note how many viewers the topic has in this region."""
        self._counts[topic] = (here.count, here.peak)
        self._changed.add(topic)

    async def run(self) -> None:
        """Report news at once, and every `REPORT_SECONDS` that the node lives."""
        while True:
            await news_gathered(self._wake, at_most_seconds=REPORT_SECONDS, gather_seconds=GATHER_SECONDS)
            await self.report()

    async def report(self) -> None:
        """Report to the table. If the table is away, report all again later."""
        added, self._added = self._added, set()
        now = self._clock()
        is_all = now - self._counted_at >= COUNTS_SECONDS
        counted, self._changed = set(self._counts) if is_all else self._changed, set()
        try:
            is_known = not (self._is_stale and now - self._rebuilt_at >= REBUILD_SECONDS)
            if not is_known or not await self._table.watch(self._node, added):
                self._is_stale, self._rebuilt_at = False, now
                await self._table.watch_all(self._node, bitmap_of(self._topics()))
            waiting = list(counted)
            for start in range(0, len(waiting), COUNTS_MAX):
                some = waiting[start : start + COUNTS_MAX]
                await self._table.count({topic: self._counts[topic] for topic in some if topic in self._counts})
            if is_all:
                self._counted_at = now
        except TableUnavailable:
            metrics.table_errors.inc()
            self._added |= added
            self._is_stale, self._rebuilt_at = True, float("-inf")
            self._changed |= counted & self._counts.keys()
