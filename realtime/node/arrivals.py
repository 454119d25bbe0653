"""Decides who counts as a viewer of a topic here, and since when. People who leave at once do not count.

Hop: beside the path. Counts viewers in and out of a topic (realtime.table.counting); realtime.node.leases sends
what has changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from realtime.node.connections import Connection
from realtime.node.feed import Feed
from realtime.node.leases import Leases
from realtime.table.counting import UNCOUNTED, ViewerKey

ARRIVALS_SECONDS = 0.25  # how often to check who has been here long enough to count
POLL_REST_SECONDS = 2.0  # at most so long between the end of a viewer's poll and the next one


@dataclass(frozen=True, slots=True)
class Between:
    """A viewer of a topic between two polls."""

    viewer_id: str
    until: float  # the time after which we expect no further poll
    counts_at: float | None  # None: the viewer counts already


class Arrivals:
    """Counts a node's viewers in and out, each after `count_after_seconds`."""

    def __init__(self, leases: Leases, *, count_after_seconds: float, clock: Callable[[], float]) -> None:
        self._leases = leases
        self._count_after_seconds = count_after_seconds
        self._clock = clock
        # Viewers who have come and do not count yet, oldest first, with the time from which they count.
        self._arriving: OrderedDict[tuple[Feed, Connection], float] = OrderedDict()
        # Viewers between two polls, oldest first.
        self._between: OrderedDict[tuple[Feed, ViewerKey], Between] = OrderedDict()

    def __len__(self) -> int:
        """How many viewers do not count yet, or are between two polls."""
        return len(self._arriving) + len(self._between)

    def is_arriving(self, feed: Feed, connection: Connection) -> bool:
        return (feed, connection) in self._arriving

    def count_in(self, feed: Feed, connection: Connection) -> None:
        """Count the connection's viewer once it has been here for a while."""
        if not feed.has_viewers or connection.key == UNCOUNTED:
            return
        before = self._between.get((feed, connection.key))
        if before is not None and before.counts_at is not None:
            self._arriving[feed, connection] = before.counts_at
            self._arriving.move_to_end((feed, connection), last=False)
        elif self._count_after_seconds and before is None:
            self._arriving[feed, connection] = self._clock() + self._count_after_seconds
        else:
            self.count_now(feed, connection)
        self._end_between(feed, connection.key)

    def count_now(self, feed: Feed, connection: Connection) -> None:
        if feed.has_viewers and feed.viewers.enter(connection.key, connection.identity.viewer_id):
            self._leases.note_change(feed)

    def count_out(self, feed: Feed, connection: Connection) -> None:
        if self._arriving.pop((feed, connection), None) is not None or not feed.has_viewers:
            return
        if feed.viewers.leave(connection.key, connection.identity.viewer_id):
            self._leases.note_change(feed)

    def end_poll(self, feed: Feed, connection: Connection) -> None:
        """Count the viewer for a while longer: the next poll is on its way. Call it before the connection is counted
        out.
        """
        key, viewer_id = connection.key, connection.identity.viewer_id
        if not feed.has_viewers or key == UNCOUNTED:
            return
        self._end_between(feed, key)
        counts_at = self._arriving.get((feed, connection))
        if counts_at is None:
            feed.viewers.enter(key, viewer_id)
        until = self._clock() + self._count_after_seconds + POLL_REST_SECONDS
        self._between[feed, key] = Between(viewer_id, until, counts_at)

    def look_at_state(self, feed: Feed) -> None:
        """Count all who are here, or nobody any more, as the topic's state says (TopicKind.has_viewers)."""
        has_viewers = feed.kind.has_viewers(feed.snapshot)
        if has_viewers == feed.has_viewers:
            return
        if not has_viewers:
            for connection in feed.members:
                self.count_out(feed, connection)
            for _, key in [each for each in self._between if each[0] is feed]:
                self._end_between(feed, key)
        feed.has_viewers = has_viewers
        if has_viewers:
            for connection in feed.members:
                self.count_in(feed, connection)

    async def check(self) -> None:
        """Count viewers who have been here long enough. Stop counting viewers without a next poll."""
        now = self._clock()
        while self._arriving and next(iter(self._arriving.values())) <= now:
            (feed, connection), _ = self._arriving.popitem(last=False)
            self.count_now(feed, connection)
        while self._between and next(iter(self._between.values())).until <= now:
            self._end_between(*next(iter(self._between)))

    def _end_between(self, feed: Feed, key: ViewerKey) -> None:
        between = self._between.pop((feed, key), None)
        if between is not None and between.counts_at is None and feed.viewers.leave(key, between.viewer_id):
            self._leases.note_change(feed)
