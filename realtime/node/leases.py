"""Keeps a node's topics in the shared table, and takes the viewer numbers that the table answers.

Hop: beside the path. Dispatchers find a topic's nodes by the leases that are renewed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from realtime import metrics
from realtime.batches import Batches, news_gathered
from realtime.events import NodeId, TopicName
from realtime.node.fanout import Fanout
from realtime.node.feed import Feed, Topics
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import Renewed, Share, Watched

logger = logging.getLogger(__name__)

LINGER_SECONDS = 10.0  # a topic without viewers stays loaded this long, because viewers come back after a reload
ENTER_MAX_TOPICS = 1_000  # topics that enter the shared table at once
VIEWERS_REST = 8  # times as long as for counters, because a change of the viewer count alone can wait
VIEWERS_REST_MAX_SECONDS = 2.0
VIEWERS_SETTLE_SECONDS = 0.25  # joins and leaves within this time go in one step
SENT_MAX_KEYS = 20_000  # in one step, over all topics: some 80 ms of Redis in calls of 2 ms


class Neighbours(Protocol):
    """Reports to other regions what this node watches (realtime.relay.interest.Interest)."""

    def add(self, topic: TopicName) -> None: ...

    def drop(self, topic: TopicName) -> None: ...

    def count(self, topic: TopicName, here: Watched) -> None: ...

    async def run(self) -> None: ...


class LeaseTable(Protocol):
    """The half of the shared table that a node needs (realtime.table.subscriptions.SharedTable)."""

    async def renew(self, node: NodeId, shares: Mapping[TopicName, Share]) -> dict[TopicName, Renewed]: ...

    async def enter(self, node: NodeId, topics: Sequence[TopicName]) -> None: ...

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None: ...


class Leases:
    """Renews the leases of a node."""

    def __init__(
        self,
        id: NodeId,
        topics: Topics,
        table: LeaseTable,
        fanout: Fanout,
        neighbours: Neighbours | None,
        *,
        renew_seconds: float,
        lease_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._id = id
        self._topics = topics
        self._table = table
        self._fanout = fanout
        self._neighbours = neighbours
        self._renew_seconds = renew_seconds
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._renewed_at = self._entered_at = clock()
        self._changed: set[Feed] = set()
        self._change = asyncio.Event()
        self._entering = Batches(self._enter, keys_max=ENTER_MAX_TOPICS)

    @property
    def has_news(self) -> bool:
        """Whether viewers have come or gone since the last renewal."""
        return bool(self._changed)

    async def enter(self, feed: Feed) -> None:
        """Enter a topic in the table. Events published from now on reach this node. Raises TableUnavailable."""
        if feed.kind.counts_viewers:
            await self._renew([feed])
        else:
            await self._entering.ask(feed.topic)

    async def leave(self, topics: Sequence[TopicName]) -> None:
        """Take topics out of the table if it can be reached. If not, their leases end."""
        with contextlib.suppress(TableUnavailable):
            await self._table.leave(self._id, topics)

    def forget(self, feed: Feed) -> None:
        self._changed.discard(feed)

    def note_change(self, feed: Feed) -> None:
        self._changed.add(feed)
        self._change.set()

    async def run(self) -> None:
        """Renew all leases every `renew_seconds`; send changed viewer numbers sooner."""
        full_at = self._clock()
        while True:
            await news_gathered(
                self._change,
                at_most_seconds=max(0.05, full_at - self._clock()),
                gather_seconds=min(VIEWERS_SETTLE_SECONDS, self._renew_seconds),
            )
            if is_full := self._clock() >= full_at:
                full_at = self._clock() + self._renew_seconds * random.uniform(0.9, 1.0)
            await self.renew(full=is_full)

    async def renew(self, *, full: bool = True) -> None:
        """Assert this node's topics in the shared table and take the region's viewer numbers from it.

        If not `full`, only topics with changed viewers. Topics that nobody has watched for a while are dropped.
        """
        changed, self._changed = self._changed, set()
        if full:
            idle = [feed for feed in self._topics.feeds.values() if self._is_idle(feed)]
            for feed in idle:
                self._topics.drop(feed)
            if idle:
                await self.leave([feed.topic for feed in idle])
        feeds = [
            feed
            for feed in (self._topics.feeds.values() if full else changed)
            if self._topics.feeds.get(feed.topic) is feed
        ]
        counted = [feed for feed in feeds if feed.kind.counts_viewers]
        try:
            if full and self._clock() - self._entered_at >= self._lease_seconds / 3:
                await self._enter([feed.topic for feed in feeds if not feed.kind.counts_viewers])
                self._entered_at = self._clock()
            await self._renew(counted)
        except TableUnavailable:
            self._changed |= changed
            forgotten = self._clock() - self._renewed_at > self._lease_seconds
            for feed in counted:
                feed.elsewhere = 0 if forgotten else feed.elsewhere
                self.set_watched(feed, Watched(feed.elsewhere + len(feed.viewers), feed.watched.peak))

    async def _enter(self, topics: Sequence[TopicName]) -> dict[TopicName, None]:
        """Renew the leases of topics without counted viewers. There may be one for each viewer here."""
        try:
            await self._table.enter(self._id, topics)
        except TableUnavailable:
            metrics.table_errors.inc()
            raise
        return {}

    async def _renew(self, feeds: Sequence[Feed]) -> None:
        """Renew the leases of topics with what is new about their viewers."""
        if not feeds:
            return
        shares: dict[TopicName, Share] = {}
        most = SENT_MAX_KEYS
        for feed in feeds:
            share = shares[feed.topic] = feed.viewers.share(peak=feed.watched.peak, most=most)
            most -= len(share.joined) + len(share.left)
        try:
            answers = await self._table.renew(self._id, shares)
        except TableUnavailable as error:
            for feed in feeds:
                feed.viewers.not_sent(shares[feed.topic])
            metrics.table_errors.inc()
            logger.debug("node %s: shared table away: %s", self._id, error)
            raise
        self._renewed_at = self._clock()
        for feed in feeds:
            answer = answers[feed.topic]
            feed.viewers.sent(answer)
            feed.elsewhere = max(0, answer.watched.count - shares[feed.topic].viewers)
            self.set_watched(feed, answer.watched)
            if self._neighbours is not None:
                self._neighbours.count(feed.topic, Watched(answer.watched.count - answer.remote, answer.watched.peak))
            if feed.viewers.has_news or not answer.is_swept:
                self.note_change(feed)

    def set_watched(self, feed: Feed, watched: Watched) -> None:
        """Take the number of a topic's viewers, and send it if it has changed."""
        if feed.set_watched(watched):
            # While a crowd comes in, each viewer would get a frame for every other one. The more viewers, the longer
            # this can wait.
            rest_seconds = min(feed.sending.rest_seconds * VIEWERS_REST, VIEWERS_REST_MAX_SECONDS)
            self._fanout.send_soon(feed, rest_seconds=rest_seconds)

    def _is_idle(self, feed: Feed) -> bool:
        if feed.empty_since is None or not feed.is_ready or len(feed.viewers):
            return False
        return self._clock() - feed.empty_since > LINGER_SECONDS
