"""Removes viewers who may not read a topic any more, members of a deleted topic, and viewers who have signed out.

Hop: beside the path. The node (realtime.node.node) calls `expel` before it writes anything of the step that changed who
may read a topic. Of viewers, the database is asked every `RIGHTS_SECONDS` whose rights may have changed (`Rechecks`),
so a look costs what has changed, not how many watch. Should the database not know of a change, it is found in turn:
each look also checks `TURN` viewers and topics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from realtime import metrics
from realtime.batches import Batches
from realtime.events import Frame, TopicName, frame
from realtime.identity import Identity
from realtime.kinds import Review
from realtime.log.store import Store, StoreUnavailable
from realtime.node.connections import Closing, Connection
from realtime.node.feed import Feed
from realtime.node.presence import Presence

RIGHTS_SECONDS = 2.5  # how often to check that identified viewers are still the same
RECOGNIZE_MAX = 500  # viewers who come back by tickets and are checked together
REVIEW_MAX = 1_000  # viewers of one question: about 25 ms
TURN = 100  # of viewers and of topics, besides those that have changed: 10,000 in four minutes

T = TypeVar("T")


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
        self._came: set[Connection] = set()  # identified since the last look
        self._waiting: list[Identity] = []  # for their turn; they may have gone
        self._waiting_topics: list[TopicName] = []
        self._seen_until = ""  # which changes the last look has seen; "": none
        self._recognizing = Batches(self._recognize, keys_max=RECOGNIZE_MAX)

    def watch(self, connection: Connection) -> None:
        """Check the connection's viewer again and again, if it is known who that is."""
        if connection.identity.viewer_id:
            self._identified.add(connection)
            self._came.add(connection)

    def forget(self, connection: Connection) -> None:
        self._identified.discard(connection)
        self._came.discard(connection)

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
        """Send away viewers who would not be recognized any more (signed out, banned, a new password), and viewers of
        topics that they may not read. No step lets the second happen, but rights are checked twice.
        """
        for topic in _next(self._waiting_topics, self._feeds):
            if (feed := self._feeds.get(topic)) is not None and feed.is_ready:
                feed.look_at_access()
                self.expel(feed)
        if not self._identified:
            self._seen_until = ""
            return
        came, self._came = self._came, set()
        try:
            await self._check_viewers({connection.identity for connection in came})
        except BaseException as error:
            self._came |= came & self._identified
            if not isinstance(error, StoreUnavailable):
                raise
            metrics.store_errors.inc()  # rights stay until the database says otherwise

    async def _check_viewers(self, came: set[Identity]) -> None:
        """Check the viewers who came since the last look, the next ones in turn, and all that may have changed.

        The database says who may have changed. Raises StoreUnavailable.
        """
        # First, so that what changes during the review is seen the next time.
        rechecks = await self._store.rechecks(self._seen_until)
        here = {connection.identity for connection in self._identified} if rechecks or not self._waiting else set()
        if not self._waiting and self._presence is not None:
            self._presence.keep_hidden({identity.viewer_id for identity in here})
        due = came.union(_next(self._waiting, here), filter(rechecks.names, here))
        identities = list(due)
        for start in range(0, len(identities), REVIEW_MAX):
            some = identities[start : start + REVIEW_MAX]
            self._take_review(some, await self._store.review(some))
        self._seen_until = rechecks.until

    def _take_review(self, identities: Sequence[Identity], review: Review) -> None:
        if self._presence is not None:
            self._presence.set_hidden(review.hidden, among={identity.viewer_id for identity in identities})
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


def _next(waiting: list[T], all: Iterable[T]) -> list[T]:
    """Return up to `TURN` of those that wait for their turn. When none wait, all do again."""
    if not waiting:
        waiting += all
    taken = waiting[-TURN:]
    del waiting[-TURN:]
    return taken
