"""Viewers that do not keep up. They get frames through their mailbox, and the newest state when they have caught up.

Hop: beside the last one. A mailbox has the bound of every peer (realtime.edge.bound), which cuts the connection.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from realtime import metrics
from realtime.events import ConnectionId, TopicName
from realtime.node.connections import Connection
from realtime.node.feed import Feed


class SlowViewers:
    """The connections of a node that are behind."""

    def __init__(self, feeds: Mapping[TopicName, Feed], connections: Container[ConnectionId]) -> None:
        self._feeds = feeds
        self._connections = connections
        self._slow: set[Connection] = set()

    def filled(self, connection: Connection) -> None:
        """The connection's socket takes no more for now: write to it through its mailbox until it has caught up."""
        if connection not in self._slow and connection.id in self._connections:
            self._slow.add(connection)
            self.set_fds(connection)

    def forget(self, connection: Connection) -> None:
        self._slow.discard(connection)

    def set_fds(self, connection: Connection) -> None:
        """Make the fan-out write to the connection as its `direct_fd` says now."""
        for feed in self._feeds_of(connection):
            feed.members.list_of(connection).set_fd(connection, connection.direct_fd)

    async def check(self) -> None:
        """Send the newest state to viewers that have caught up."""
        for connection in list(self._slow):
            if connection.wire.pending_bytes():
                continue
            if connection.stale and any(feed.sending.outbox for feed in self._feeds_of(connection)):
                continue  # an older frame is being sent, and would come after the newest state
            self._slow.discard(connection)
            self.set_fds(connection)
            if connection.stale:
                connection.stale = False
                metrics.mailbox_drops.labels("state").inc()
                self._write_state(connection)

    def _write_state(self, connection: Connection) -> None:
        for feed in self._feeds_of(connection):
            if frames := feed.newest_state():
                connection.write(frames)

    def _feeds_of(self, connection: Connection) -> Iterator[Feed]:
        return (feed for topic in connection.topics if (feed := self._feeds.get(topic)) is not None)
