"""Fetches from the database what the fast path has lost: missing events, newer counters, deleted topics.

Hop: beside the last but one. Without Redis, the channel layer and the dispatcher this is the only path, and events are
`RECONCILE_SECONDS` late. The database says which topics have changed (realtime.log.changes), so a look costs what has
changed, not how many topics there are. A topic is asked for until the node is where its head was.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable, Mapping

from realtime import metrics
from realtime.background import Spawn
from realtime.events import TopicName, now_ms
from realtime.log.store import Head, Mark, Store, StoreUnavailable, TopicGone
from realtime.node.fanout import Fanout
from realtime.node.feed import AHEAD_MAX_EVENTS, Feed, Topics
from realtime.stamps import Passage

RECONCILE_SECONDS = 2.0
CHECK_SECONDS = 60.0  # for a look at the heads of all topics, in slices: should the database not know of a change
RECONCILE_MAX_TOPICS = 2_000  # at once: about 5 ms
GAP_GRACE_SECONDS = 0.05  # two backends' batches may overtake each other by that much
PULL_MAX_EVENTS = AHEAD_MAX_EVENTS  # a topic that is further behind starts again from its snapshot
PULL_SLICE_EVENTS = 50  # missed events that are delivered at once; then viewers have a moment to read
PULL_PAUSE_SECONDS = 0.02
VAIN_PULLS = 3  # in a row that find nothing at a topic that is ahead: a replica may be late, but not for ever
WRITTEN_MAX_KEYS = 5_000  # new viewers that are written with each look at the database


class Repair:
    """Looks at the database for the topics of a node. `counted`: the topics whose viewers or peak may have changed."""

    def __init__(
        self, topics: Topics, store: Store, fanout: Fanout, *, region: str, spawn: Spawn, counted: set[Feed]
    ) -> None:
        self._topics = topics
        self._store = store
        self._fanout = fanout
        self._region = region
        self._spawn = spawn
        self._counted = counted
        self._pulling: dict[Feed, asyncio.Task[None]] = {}
        self._vain: dict[Feed, int] = {}
        self._seen_until = Mark()
        self._due: set[TopicName] = set()  # topics whose heads are to be read with the next look
        self._unchecked: list[TopicName] = []

    def pull_soon(self, feed: Feed, *, grace_seconds: float = GAP_GRACE_SECONDS) -> asyncio.Task[None]:
        """Fetch what is missing: from the event log, or an inbox whole. A topic has one pull at a time."""
        pulling = self._pulling.get(feed)
        if pulling is None:
            pulling = self._pulling[feed] = self._spawn(self._pull(feed, grace_seconds), name=f"pull {feed.topic}")
        return pulling

    def forget(self, feed: Feed) -> None:
        """Stop a pull that is under way."""
        self._vain.pop(feed, None)
        self._counted.discard(feed)
        if (pulling := self._pulling.pop(feed, None)) is not None:
            pulling.cancel()

    async def _pull(self, feed: Feed, grace_seconds: float) -> None:
        try:
            if grace_seconds:
                await asyncio.sleep(grace_seconds)
                if not feed.ahead:
                    return  # the missing event was only late
                metrics.gaps_found.inc()
            if feed.kind.is_inbox:
                await self._reload(feed, "history_gone")
                return
            events = await self._store.events_after(feed.topic, feed.seq, limit=PULL_MAX_EVENTS)
            if events[0].seq > feed.seq + 1 if events else await self._is_vain(feed):
                await self._reload(feed, "history_gone")
                return
            if len(events) == PULL_MAX_EVENTS:
                await self._reload(feed, "far_behind")  # it is less to read, and fits the mailboxes
                return
            if events:
                self._vain.pop(feed, None)
            for number, event in enumerate(events):
                if number and number % PULL_SLICE_EVENTS == 0:
                    await asyncio.sleep(PULL_PAUSE_SECONDS)
                if event.seq > feed.seq:
                    metrics.gaps_repaired.inc()
                    self._topics.take(feed, event, Passage(self._region, {"node": now_ms()}))
        except (StoreUnavailable, TopicGone):
            metrics.store_errors.inc()  # the next reconcile tries again
        finally:
            feed.forget_taken()
            self._pulling.pop(feed, None)

    async def _is_vain(self, feed: Feed) -> bool:
        """Note a pull that found nothing. Return whether the topic is ahead, and what was missed is not there any more:
        a node that was away for a day finds an empty log (realtime.log.retention).
        """
        self._vain[feed] = self._vain.get(feed, 0) + 1
        if self._vain[feed] < VAIN_PULLS:
            return False
        del self._vain[feed]
        heads = await self._store.heads({feed.topic: feed.head})
        return feed.topic in heads.of and heads.of[feed.topic].seq > feed.seq

    async def _reload(self, feed: Feed, reason: str) -> None:
        """Start the topic again from the database; its members get a reset. Raises TopicGone, StoreUnavailable."""
        loaded = await self._store.load(feed.topic)
        if loaded.epoch == feed.epoch and loaded.head.seq < feed.seq and reason != "database_changed":
            return  # events that came meanwhile are newer, and may have closed the topic
        if reason == "database_changed" or loaded.epoch != feed.epoch:
            feed.counters = None
        self._topics.carry_out(feed, feed.load(loaded))
        self._counted.add(feed)
        metrics.resets.labels(reason).inc()
        self._fanout.send_alone(feed, feed.reset_frame(reason))
        if (following := feed.ahead.pop(feed.seq + 1, None)) is not None:  # it came while the topic was read
            self._topics.take(feed, *following)

    async def reconcile(self) -> None:
        """Ask the database for the heads of topics that have changed, and fetch what the fast path has lost."""
        try:
            await self._look_for_changes()
            due = list(self._due)
            for start in range(0, len(due), RECONCILE_MAX_TOPICS):
                some = due[start : start + RECONCILE_MAX_TOPICS]
                with contextlib.suppress(TopicGone):  # deleted between two reads: the next pass ends it
                    await self._reconcile({feed.topic: feed for topic in some if (feed := self._kept_feed(topic))})
            await self._save_viewers()
        except StoreUnavailable:
            metrics.store_errors.inc()

    def _kept_feed(self, topic: TopicName) -> Feed | None:
        """Return the topic if it has been read and has a log.

        One that is being read stays due: the change for which it was named may come after what the database answers.
        """
        feed = self._topics.feeds.get(topic)
        if feed is not None and feed.kind.kept_events:
            return feed if feed.is_ready else None
        self._due.discard(topic)
        return None

    async def _look_for_changes(self) -> None:
        """Note topics that have changed since the last look, and some others. Raises StoreUnavailable."""
        feeds = self._topics.feeds
        changes = await self._store.changes(self._seen_until)
        self._seen_until = changes.until
        self._due.update(feeds if changes.is_all else [topic for topic in changes.topics if topic in feeds])
        if not self._unchecked:
            self._unchecked = list(feeds)
        number = math.ceil(len(feeds) * RECONCILE_SECONDS / CHECK_SECONDS)
        self._due.update(self._unchecked[-number:])
        del self._unchecked[-number:]

    async def _reconcile(self, feeds: Mapping[TopicName, Feed]) -> None:
        """Raises TopicGone, StoreUnavailable."""
        if not feeds:
            return
        known = {topic: feed.head for topic, feed in feeds.items()}
        heads = await self._store.heads(known)
        newer = [
            topic for topic, head in heads.of.items() if feeds[topic].counters and head.version > known[topic].version
        ]
        counters = await self._store.newest_counters(newer) if newer else {}
        changed: list[Feed] = []
        for topic, feed in feeds.items():
            if self._topics.feeds.get(topic) is not feed:
                continue
            head = heads.of.get(topic)
            if head is None:
                if feed.kind.is_logged:
                    self._topics.end(feed)
                    continue
                head = Head(0, 0)  # it has had no event yet
            is_other = heads.epoch is not None and heads.epoch != feed.epoch
            if is_other or head.seq < known[topic].seq or head.version < known[topic].version:
                changed.append(feed)
                continue
            if head.seq > feed.seq:
                self.pull_soon(feed, grace_seconds=0)
            if topic in counters:
                self._topics.learn(feed, counters[topic])
            if head.seq <= feed.seq and (feed.counters is None or head.version <= feed.counters.version):
                self._due.discard(topic)
        # A backup was restored, or a replica promoted: what this node knew is no longer true.
        for done in await asyncio.gather(
            *(self._reload(feed, "database_changed") for feed in changed), return_exceptions=True
        ):
            if isinstance(done, BaseException):
                raise done

    async def _save_viewers(self) -> None:
        """Raises StoreUnavailable."""
        self._counted -= {feed for feed in self._counted if self._topics.feeds.get(feed.topic) is not feed}
        feeds = [feed for feed in self._counted if feed.is_ready]
        higher = [feed for feed in feeds if feed.watched.peak > feed.peak_saved]
        if higher:
            peaks = {feed.topic: feed.watched.peak for feed in higher}
            await self._store.save_peaks(peaks)
            for feed in higher:
                feed.peak_saved = max(feed.peak_saved, peaks[feed.topic])
        await self.save_seen(feeds)
        self._counted.difference_update(
            feed for feed in feeds if feed.watched.peak <= feed.peak_saved and not feed.viewers.has_unwritten
        )

    async def save_seen(self, feeds: Iterable[Feed]) -> bool:
        """Write viewers who have come since the last time, `WRITTEN_MAX_KEYS` at most. False: there were none. Raises
        StoreUnavailable.
        """
        seen: dict[Feed, list[int]] = {}
        most = WRITTEN_MAX_KEYS
        for feed in feeds:
            if most and (keys := feed.viewers.unwritten(most)):
                seen[feed] = keys
                most -= len(keys)
        if not seen:
            return False
        levels: Mapping[TopicName, int] = {}
        try:
            levels = await self._store.save_seen({feed.topic: keys for feed, keys in seen.items()})
        finally:
            for feed, keys in seen.items():
                if feed.topic in levels:
                    feed.viewers.written(levels[feed.topic])
                else:
                    feed.viewers.not_written(keys)
        return True
