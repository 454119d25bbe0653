"""Keeps a node's lease and its topics in the shared table, and takes the viewer numbers that the table answers.

Hop: beside the path. Dispatchers find a topic's nodes by what is entered here.

A topic is entered when its first viewer comes, and renewed when its viewers have changed, here or on other nodes: the
answer to the lease says of which topics. A flushed table, or a lease that has ended, makes the node enter all its
topics again, in slices. The node looks at each entry every `CHECK_SECONDS`, in case Redis has lost some.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from realtime import metrics
from realtime.batches import Batches, news_gathered
from realtime.events import NodeId, TopicName
from realtime.node.fanout import Fanout
from realtime.node.feed import Feed, Topics
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import NEWS_MAX, LeaseAnswer, Renewed, Share, Told, Watched

logger = logging.getLogger(__name__)

LINGER_SECONDS = 10.0  # a topic without viewers stays loaded this long, because viewers come back after a reload
ENTER_MAX_TOPICS = 500  # topics that enter the shared table, leave it or are renewed in one round trip
CHECK_SECONDS = 60.0  # for a look at all entries of a node
SWEEPS_MAX = 100  # calls in a row that take out entries of dead nodes
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

    async def hold(self, node: NodeId, *, read: int) -> LeaseAnswer: ...

    async def release(self, node: NodeId) -> None: ...

    async def sweep(self) -> bool: ...

    async def renew(self, node: NodeId, shares: Mapping[TopicName, Share]) -> dict[TopicName, Renewed]: ...

    async def enter(self, node: NodeId, topics: Sequence[TopicName]) -> None: ...

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None: ...

    async def missing(self, node: NodeId, entries: Mapping[TopicName, Told | None]) -> list[TopicName]: ...

    async def entered(self, node: NodeId) -> set[TopicName]: ...


class Leases:
    """Renews the lease of a node, and keeps its entries true."""

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
        self._renewed_at = clock()
        self._read = 0  # the number of the newest news of the table that the node has
        self._is_forgotten = False  # the lease has ended since the table was last there
        self._changed: set[Feed] = set()  # to be renewed
        self._restless: set[Feed] = set()  # with numbers that may change without news
        self._unchecked: list[Feed] = []
        self.counted: set[Feed] = set()
        """Topics whose viewers or peak have changed. Repair takes out those that it has written to the database."""
        self._left: set[TopicName] = set()  # to be taken out of the table
        self._leaving = asyncio.Lock()
        self._change = asyncio.Event()
        self._entering = Batches(self._enter_new, keys_max=ENTER_MAX_TOPICS)

    @property
    def has_news(self) -> bool:
        """Whether viewers have come or gone since the last renewal."""
        return bool(self._changed)

    async def enter(self, feed: Feed) -> None:
        """Enter a topic in the table. Events published from now on reach this node. Raises TableUnavailable."""
        async with self._leaving:  # else the node's leave of before might come after this
            self._left.discard(feed.topic)
        await self._entering.ask(feed)

    async def end(self) -> None:
        """Take the node and its topics out of the table if it can be reached. If not, the lease ends."""
        with contextlib.suppress(TableUnavailable):
            await self._table.release(self._id)
            await self._sweep()

    def forget(self, feed: Feed) -> None:
        """The topic was dropped: take it out of the table soon."""
        self._changed.discard(feed)
        self._restless.discard(feed)
        if feed.topic not in self._topics.feeds:
            self._left.add(feed.topic)

    def note_change(self, feed: Feed) -> None:
        self.counted.add(feed)
        self._changed.add(feed)
        self._change.set()

    async def run(self) -> None:
        """Renew the lease every `renew_seconds`; send changed viewer numbers sooner."""
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
        """Send what has changed about this node's topics to the shared table, and take the region's viewer numbers.

        If `full`, renew the lease first, take out topics that nobody has watched for a while, and look at some entries.
        """
        is_away = False
        try:
            if full:
                await self._renew_lease()
            await self._renew_changed()
        except TableUnavailable as error:
            metrics.table_errors.inc()
            logger.debug("node %s: shared table away: %s", self._id, error)
            is_away = True
        if is_away:
            self._count_alone(list(self._topics.feeds.values()) if full else list(self._changed))

    async def _renew_lease(self) -> None:
        """Raises TableUnavailable."""
        empty = [feed for feed in self._topics.feeds.values() if feed.empty_since is not None]
        for feed in filter(self._is_idle, empty):
            self._topics.drop(feed)
        held = await self._table.hold(self._id, read=self._read)
        if not held.is_swept:
            await self._sweep()
            self._note_news(held)
            held = await self._table.hold(self._id, read=self._read)
        self._note_news(held)
        while len(held.news) == NEWS_MAX:
            held = await self._table.hold(self._id, read=self._read)
            self._note_news(held)
        self._renewed_at = self._clock()
        await self._leave()
        await self._check_some()
        self._changed |= self._restless

    def _note_news(self, held: LeaseAnswer) -> None:
        self._read = held.read
        feeds = self._topics.feeds
        if self._is_forgotten or not held.is_known:
            self._is_forgotten = False
            self._changed |= set(feeds.values())
        self._changed |= {feed for topic in held.news if (feed := feeds.get(topic)) is not None}

    async def _sweep(self) -> None:
        """Take out what dead nodes have entered. What is left goes with the next renewals. Raises TableUnavailable."""
        for _ in range(SWEEPS_MAX):
            if await self._table.sweep():
                return

    async def _leave(self) -> None:
        """Take dropped topics out of the table. Raises TableUnavailable."""
        while self._left:
            async with self._leaving:
                some = list(islice(self._left, ENTER_MAX_TOPICS))
                self._left.difference_update(some)
                try:
                    await self._table.leave(self._id, [topic for topic in some if topic not in self._topics.feeds])
                except TableUnavailable:
                    self._left.update(some)
                    raise

    async def _check_some(self) -> None:
        """Look whether the table has some of the entries as they should be. Raises TableUnavailable."""
        feeds = self._topics.feeds
        if not self._unchecked:
            entered = await self._table.entered(self._id)
            self._left |= entered - feeds.keys()
            self._changed.update(feed for topic, feed in feeds.items() if topic not in entered)
            self._unchecked = list(feeds.values())
        number = math.ceil(len(feeds) * self._renew_seconds / CHECK_SECONDS)
        some, self._unchecked = self._unchecked[-number:], self._unchecked[:-number] if number else []
        entries = {
            feed.topic: feed.viewers.told if feed.kind.counts_viewers else None
            for feed in some
            if feeds.get(feed.topic) is feed and feed.is_ready and feed not in self._changed
        }
        for topic in await self._table.missing(self._id, entries):
            if (feed := feeds.get(topic)) is not None:
                self._changed.add(feed)

    async def _renew_changed(self) -> None:
        """Raises TableUnavailable."""
        changed, self._changed = self._changed, set()
        waiting = [feed for feed in changed if self._topics.feeds.get(feed.topic) is feed]
        try:
            while waiting:
                some, waiting = waiting[:ENTER_MAX_TOPICS], waiting[ENTER_MAX_TOPICS:]
                await self._enter(some)
        except TableUnavailable:
            self._changed.update(some, waiting)
            raise

    def _count_alone(self, feeds: Sequence[Feed]) -> None:
        """The table is away: count with the last numbers of other nodes, for as long as a lease lasts."""
        if self._clock() - self._renewed_at > self._lease_seconds:
            self._is_forgotten = True
        for feed in feeds:
            if feed.kind.counts_viewers:
                feed.elsewhere = 0 if self._is_forgotten else feed.elsewhere
                self.set_watched(feed, Watched(feed.elsewhere + len(feed.viewers), feed.watched.peak))

    async def _enter_new(self, feeds: Sequence[Feed]) -> dict[Feed, None]:
        try:
            return await self._enter(feeds)
        except TableUnavailable:
            self._changed.update(feeds)
            metrics.table_errors.inc()
            raise

    async def _enter(self, feeds: Sequence[Feed]) -> dict[Feed, None]:
        """Enter topics, or renew them with what is new about their viewers. Raises TableUnavailable."""
        counted = [feed for feed in feeds if feed.kind.counts_viewers]
        others = [feed.topic for feed in feeds if not feed.kind.counts_viewers]  # maybe one for each viewer here
        if others:
            await self._table.enter(self._id, others)
        if counted:
            await self._renew(counted)
        return {}

    async def _renew(self, feeds: Sequence[Feed]) -> None:
        shares: dict[TopicName, Share] = {}
        most = SENT_MAX_KEYS
        for feed in feeds:
            share = shares[feed.topic] = feed.viewers.share(peak=feed.watched.peak, most=most)
            most -= len(share.joined) + len(share.left)
        try:
            answers = await self._table.renew(self._id, shares)
        except TableUnavailable:
            for feed in feeds:
                feed.viewers.not_sent(shares[feed.topic])
            raise
        self._renewed_at = self._clock()
        for feed in feeds:
            self._take(feed, shares[feed.topic], answers[feed.topic])

    def _take(self, feed: Feed, share: Share, answer: Renewed) -> None:
        feed.viewers.sent(answer)
        feed.elsewhere = max(0, answer.watched.count - share.viewers)
        self.set_watched(feed, answer.watched)
        if self._topics.feeds.get(feed.topic) is not feed:
            return
        if self._neighbours is not None:
            self._neighbours.count(feed.topic, Watched(answer.watched.count - answer.remote, answer.watched.peak))
        if feed.viewers.has_news or answer.level != share.level or not answer.is_swept:
            self.note_change(feed)
        # The numbers of a region that falls silent end without news. A level goes down when some time has passed.
        if answer.remote or answer.level:
            self._restless.add(feed)
        else:
            self._restless.discard(feed)

    def set_watched(self, feed: Feed, watched: Watched) -> None:
        """Take the number of a topic's viewers, and send it if it has changed."""
        before = feed.watched
        is_shown = feed.set_watched(watched)
        if feed.watched != before:
            self.counted.add(feed)
        if is_shown:
            # While a crowd comes in, each viewer would get a frame for every other one. The more viewers, the longer
            # this can wait.
            rest_seconds = min(feed.sending.rest_seconds * VIEWERS_REST, VIEWERS_REST_MAX_SECONDS)
            self._fanout.send_soon(feed, rest_seconds=rest_seconds)

    def _is_idle(self, feed: Feed) -> bool:
        if feed.empty_since is None or not feed.is_ready or len(feed.viewers):
            return False
        return self._clock() - feed.empty_since > LINGER_SECONDS
