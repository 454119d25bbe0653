"""Topics that say whether a viewer is online. No event says who may see them, and their own events may get lost.

Hop: beside the path. Asks the presence table (realtime.table.presence) and the database.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from realtime import metrics
from realtime.events import State
from realtime.log.store import Store, StoreUnavailable
from realtime.node.feed import Feed, Topics, subject
from realtime.node.presence import Presence
from realtime.table.presence import status
from realtime.table.scripts import TableUnavailable

LOOK_MAX_TOPICS = 500  # presence topics read at once: about 15 ms


class OnlineTopics:
    """The presence topics of a node. Without `presence` they show only what the database has."""

    def __init__(self, topics: Topics, store: Store, presence: Presence | None, *, clock: Callable[[], float]) -> None:
        self._topics = topics
        self._store = store
        self._presence = presence
        self._clock = clock

    async def loaded(self, feed: Feed) -> None:
        """A presence topic was just read from the database: add what the presence table says."""
        feed.read_at = self._clock()
        await self.look([feed], {feed})

    async def check(self) -> None:
        """Look up who is online, for all presence topics here, and read again who may see them. Events of the first may
        get lost, and there are no events of the second. `LOOK_MAX_TOPICS` are read at a time, in turn.
        """
        feeds = [feed for feed in self._topics.feeds.values() if feed.is_ready and feed.kind.is_presence]
        if not feeds:
            return
        fresh: set[Feed] = set()
        try:
            fresh = await self.read_again(heapq.nsmallest(LOOK_MAX_TOPICS, feeds, key=lambda feed: feed.read_at))
        except StoreUnavailable:
            metrics.store_errors.inc()
        await self.look([feed for feed in feeds if self._topics.feeds.get(feed.topic) is feed], fresh)

    async def read_again(self, feeds: Sequence[Feed]) -> set[Feed]:
        """Read presence topics anew. Return those that still exist. Raises StoreUnavailable."""
        found = await self._store.snapshots([feed.topic for feed in feeds])
        fresh = set()
        for feed in feeds:
            if self._topics.feeds.get(feed.topic) is not feed:
                continue
            if feed.topic not in found:
                self._topics.end(feed)
                continue
            feed.read_at = self._clock()
            self._topics.carry_out(feed, feed.read(found[feed.topic]))
            fresh.add(feed)
        return fresh

    async def look(self, feeds: Sequence[Feed], fresh: set[Feed]) -> None:
        """Update topics to what the presence table says. Update topics that were just read to what the database says
        too.

        Without the table they stay as they are.
        """
        if self._presence is None:
            return
        for start in range(0, len(feeds), LOOK_MAX_TOPICS):
            some = feeds[start : start + LOOK_MAX_TOPICS]
            look = None
            try:
                look = await self._presence.table.look([subject(feed.topic) for feed in some])
            except TableUnavailable:
                metrics.table_errors.inc()
            for feed in some:
                known = feed.states.get("presence")
                seen = look and status(look, subject(feed.topic), feed.snapshot["kept"], is_known=known is not None)
                if seen and (known is None or _is_news(seen, known, is_fresh=feed in fresh)):
                    self._topics.learn(feed, seen)
                    # The time of the last activity may have got lost together with the event. Read it next.
                    feed.read_at = feed.read_at if feed in fresh else 0.0
                elif known is not None:
                    self._topics.carry_out(feed, feed.apply_again(known))


def _is_news(seen: State, known: State, *, is_fresh: bool) -> bool:
    """Whether a look at the presence table has news. The database's part counts only if it was just read."""
    return seen.data != known.data if is_fresh else seen.data["status"] != known.data["status"]
