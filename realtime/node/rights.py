"""Removes viewers who may not read a topic any more, members of a deleted topic, and viewers who have signed out.

Hop: beside the path. The node (realtime.node.node) calls `expel` before it writes anything of the step that changed who
may read a topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from realtime import metrics
from realtime.batches import Batches
from realtime.events import Frame, TopicName, frame
from realtime.identity import Identity
from realtime.log.store import Store, StoreUnavailable
from realtime.node.connections import Closing, Connection
from realtime.node.feed import Feed
from realtime.node.presence import Presence

RIGHTS_SECONDS = 2.5  # how often to check that identified viewers are still the same
RECOGNIZE_MAX = 500  # viewers who come back by tickets and are checked together
STEP_TOPICS = 500  # topics that are checked before other work has its turn


class Rights:
    """`remove` makes the node forget a connection, `unsubscribe` one topic of it."""

    def __init__(
        self,
        feeds: Mapping[TopicName, Feed],
        store: Store,
        presence: Presence | None,
        *,
        remove: Callable[[Connection], None],
        unsubscribe: Callable[[Connection, TopicName], None],
    ) -> None:
        self._feeds = feeds
        self._store = store
        self._presence = presence
        self._remove = remove
        self._unsubscribe = unsubscribe
        self._identified: set[Connection] = set()
        self._recognizing = Batches(self._recognize, keys_max=RECOGNIZE_MAX)

    def watch(self, connection: Connection) -> None:
        """Check the connection's viewer again and again, if it is known who that is."""
        if connection.identity.viewer_id:
            self._identified.add(connection)

    def forget(self, connection: Connection) -> None:
        self._identified.discard(connection)

    def expel(self, feed: Feed) -> None:
        """Take the topic away from members who may not read it."""
        if feed.access.public:
            return
        for connection in list(feed.members):
            if not feed.access.allows(feed.topic, connection.identity):
                self.take_away(connection, feed.topic, "private")

    def expel_all(self, feed: Feed) -> None:
        """The topic was deleted. Its members lose it, and get the reason not to come back."""
        for connection in list(feed.members):
            self.take_away(connection, feed.topic, "gone")

    def take_away(self, connection: Connection, topic: TopicName, reason: str) -> None:
        """Take a topic away from a connection. With its last one the connection ends."""
        if connection.topics == {topic}:
            self.close(connection, frame("bye", {"reason": reason}), Closing.GONE)
        else:
            self._unsubscribe(connection, topic)
            connection.write([frame("unsubscribed", {"topic": topic, "reason": reason})])

    def close(self, connection: Connection, last: Frame, why: Closing) -> None:
        """Write the last frame of a connection, and forget the connection at once. Its end takes a turn of the loop.
        The client would read a frame after the end as the next answer (SSE), or it would break the protocol
        (WebSocket).
        """
        self._remove(connection)
        connection.wire.write([last])
        connection.wire.close(why)

    async def recognize(self, identity: Identity) -> Identity | None:
        """Return the viewer with the groups of now. None: they would not be recognized any more (banned, a new
        password). If many come back together, the database is asked once for all. Raises StoreUnavailable.
        """
        return await self._recognizing.ask(identity)

    async def _recognize(self, identities: Sequence[Identity]) -> dict[Identity, Identity | None]:
        review = await self._store.review(identities)
        return {
            identity: None if identity in review.signed_out else review.changed.get(identity, identity)
            for identity in identities
        }

    async def check(self) -> None:
        """Send away viewers who would not be recognized any more (signed out, banned, a new password), and all viewers
        of topics that they may not read. No step lets the second happen, but rights are checked twice.
        """
        for number, feed in enumerate(list(self._feeds.values())):
            if feed.is_ready:
                feed.look_at_access()
                self.expel(feed)
            if number % STEP_TOPICS == STEP_TOPICS - 1:
                await asyncio.sleep(0)
        identities = {connection.identity for connection in self._identified}
        if not identities:
            return
        try:
            review = await self._store.review(list(identities))
        except StoreUnavailable:
            metrics.store_errors.inc()  # rights stay until the database says otherwise
            return
        if self._presence is not None:
            self._presence.set_hidden(review.hidden)
        for connection in list(self._identified) if review.signed_out or review.changed else ():
            if connection.identity in review.signed_out:
                self.close(connection, frame("bye", {"reason": "signed_out"}), Closing.EXPIRED)
            elif (now := review.changed.get(connection.identity)) is not None:
                self._change_identity(connection, now)

    def _change_identity(self, connection: Connection, now: Identity) -> None:
        connection.identity = now
        for topic in list(connection.topics):
            if (feed := self._feeds.get(topic)) is not None and not feed.access.allows(topic, now):
                self.take_away(connection, topic, "private")
