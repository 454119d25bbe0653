"""The frontend node: holds connections, knows who watches what, and delivers.

Hop: the last but one. Fed by the channel layer (`deliver`, from dispatchers) and by realtime.node.repair (from the
database); writes through realtime.node.fanout. All state belongs to one event loop: no locks.

Promises, per topic and connection: durable events in order, each once, none missing: a gap is noticed by `seq` and
repaired from the event log, or the connection gets `reset` with a fresh snapshot. All members of a topic may read it,
after every step and before anything of that step is written (`carry_out`). State (counters, viewers): the newest wins.
Bursts: at most once. Redis, the layer and the dispatcher only make it fast: without them events come from the
reconcile loop, `RECONCILE_SECONDS` late.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from realtime import metrics
from realtime.background import BackgroundTasks
from realtime.events import (
    ConnectionId,
    Counters,
    Event,
    Frame,
    NodeId,
    Position,
    State,
    TopicName,
    from_wire,
    now_ms,
)
from realtime.identity import Identity
from realtime.kinds import TopicKind
from realtime.log.store import Store, StoreUnavailable, TopicGone
from realtime.node.acknowledgements import Acknowledgements
from realtime.node.arrivals import ARRIVALS_SECONDS, Arrivals
from realtime.node.connections import Connection
from realtime.node.fanout import Fanout
from realtime.node.feed import Change, Feed, subject
from realtime.node.leases import Leases, LeaseTable, Neighbours
from realtime.node.online import OnlineTopics
from realtime.node.openings import Ids, Opening, hello, opening
from realtime.node.presence import SWEEP_SECONDS, Presence
from realtime.node.repair import RECONCILE_SECONDS, Repair
from realtime.node.rights import RIGHTS_SECONDS, Rights
from realtime.node.ring import Kept
from realtime.node.rounds import Heartbeats, send_away
from realtime.node.slow import SlowViewers
from realtime.stamps import Passage
from realtime.table.counting import UNCOUNTED, KeyOf, viewer_keys
from realtime.table.scripts import TableUnavailable

logger = logging.getLogger(__name__)

ROOM_BYTES = 32 * 1024  # a viewer has read most when no more than this waits
ROOM_SECONDS = 0.05

AskIdentity = Callable[[], Awaitable[Identity]]


class Node:
    """A frontend node. Make it on its event loop, then `start()`; at the end `drain()` and `aclose()`.

    `kinds` maps a topic's prefix to the kind registered for it. `kept_bytes`: the memory that events kept of all topics
    may take together. Implements realtime.node.feed.Topics.
    """

    def __init__(
        self,
        id: NodeId,
        *,
        table: LeaseTable,
        store: Store,
        kinds: Mapping[str, TopicKind],
        frame_seconds: float,
        renew_seconds: float = 2.0,
        lease_seconds: float = 15.0,
        region: str = "local",
        sample_share: float = 0.0,
        presence: Presence | None = None,
        neighbours: Neighbours | None = None,
        count_after_seconds: float = 0.0,
        kept_bytes: int = sys.maxsize,
        key_of: KeyOf = viewer_keys(""),  # noqa: B008  (a function, made once)
        clock: Callable[[], float] = time.monotonic,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.id = id
        self.feeds: dict[TopicName, Feed] = {}
        self.connections: dict[ConnectionId, Connection] = {}
        self.is_draining = False
        self._store = store
        self._kinds = kinds
        self._presence = presence
        self._neighbours = neighbours
        self._region = region
        self._key_of = key_of
        self._clock = clock
        self._loading: dict[Feed, asyncio.Task[None]] = {}
        self._kept = Kept(kept_bytes)
        self.tasks = BackgroundTasks(f"node {id}", quiet=(TopicGone, StoreUnavailable))
        self.acknowledgements = Acknowledgements(clock=clock, share=sample_share)
        self.heartbeats = Heartbeats(self.connections)
        self.slow = SlowViewers(self.feeds, self.connections)
        self._ids = Ids(self.feeds, set_fds=self.slow.set_fds)
        self.rights = Rights(self.feeds, store, presence, remove=self.remove, unsubscribe=self.unsubscribe)
        self.fanout = Fanout(
            region=region,
            acknowledgements=self.acknowledgements,
            frame_seconds=frame_seconds,
            clock=clock,
            write=write,
            spawn=self.tasks.spawn,
            behind=self.slow.filled,
        )
        self.online = OnlineTopics(self, store, presence, clock=clock)
        self.leases = Leases(
            id,
            self,
            table,
            self.fanout,
            neighbours,
            renew_seconds=renew_seconds,
            lease_seconds=lease_seconds,
            clock=clock,
        )
        self.repair = Repair(
            self, store, self.fanout, region=region, spawn=self.tasks.spawn, counted=self.leases.counted
        )
        self.arrivals = Arrivals(self.leases, count_after_seconds=count_after_seconds, clock=clock)

    def start(self) -> None:
        """Start the node's periodic tasks."""
        metrics.kept_bytes.set_function(lambda: self._kept.bytes)
        for name, step, seconds in (
            ("reconcile", self.repair.reconcile, RECONCILE_SECONDS),
            ("heartbeat", self.heartbeats.beat, 1.0),
            ("slow viewers", self.slow.check, 0.5),
            ("rights", self.rights.check, RIGHTS_SECONDS),
            ("acknowledgements", self._expire_acknowledgements, 1.0),
            ("arrivals", self.arrivals.check, ARRIVALS_SECONDS),
        ):
            self.tasks.repeat(step, seconds, name=name)
        self.tasks.spawn(self.leases.run(), name="renew")
        if self._neighbours is not None:
            self.tasks.spawn(self._neighbours.run(), name="neighbours")
        if self._presence is not None:
            self.tasks.spawn(self._presence.run(), name="heartbeats")
            self.tasks.repeat(self._presence.sweep, SWEEP_SECONDS, name="sweep")
            self.tasks.repeat(self.online.check, RECONCILE_SECONDS, name="presence")

    # Events

    def deliver(self, wire: Iterable[object], stamps: object = None) -> None:
        """Take the events of one message of the channel layer. Never raises: a bad item is counted and left out.

        `stamps` says when the events passed the earlier hops (realtime.stamps).
        """
        passage = Passage.of(stamps, here=self._region, node_ms=now_ms())
        for item in wire:
            try:
                event = from_wire(item)
            except ValueError:
                event = None
            if event is None:
                metrics.unknown_events.inc()
                continue
            feed = self.feeds.get(event.topic)
            if feed is not None:  # otherwise the last viewer has just left
                self.take(feed, event, passage)

    def take(self, feed: Feed, event: Event, passage: Passage) -> None:
        change = feed.take(event, passage)
        while change is not None:
            self.carry_out(feed, change)
            change = feed.follow() if change.durable is not None else None

    def learn(self, feed: Feed, newest: Counters | State) -> None:
        if (change := feed.learn(newest)) is not None:
            self.carry_out(feed, change)

    def carry_out(self, feed: Feed, change: Change) -> None:
        """Carry out a change. Members who may not read the topic any more lose it first."""
        if change.is_access:
            self.rights.expel(feed)
        if change.is_counting:
            self.arrivals.look_at_state(feed)
        if change.durable is not None:
            self.fanout.send(feed, change.durable)
        if change.has_state:
            self.fanout.send_soon(feed)
        if change.is_missing:
            self.repair.pull_soon(feed)

    # Connections

    def add(self, connection: Connection) -> None:
        self.connections[connection.id] = connection
        connection.is_sampled = self.acknowledgements.enter(connection.id)
        self.rights.watch(connection)
        metrics.connections.labels("sse" if connection.is_sse else "websocket").inc()

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection everywhere. A second call changes nothing."""
        if self.connections.pop(connection.id, None) is None:
            return
        self.slow.forget(connection)
        self.rights.forget(connection)
        self.acknowledgements.leave(connection.id)
        metrics.connections.labels("sse" if connection.is_sse else "websocket").dec()
        for topic in list(connection.topics):
            self.unsubscribe(connection, topic)

    def end_poll(self, connection: Connection) -> None:
        """Forget a stream that ended when the client wanted. Its viewer counts on: the next poll is on its way."""
        for topic in connection.topics:
            if (feed := self.feeds.get(topic)) is not None:
                self.arrivals.end_poll(feed, connection)
        self.remove(connection)

    def identify(self, connection: Connection, identity: Identity) -> None:
        """Note who watches on an open connection. It is checked again later, and the viewer counts as that person."""
        feeds = [feed for topic in connection.topics if (feed := self.feeds.get(topic)) is not None]
        counted = [feed for feed in feeds if not self.arrivals.is_arriving(feed, connection)]
        for feed in counted:
            self.arrivals.count_out(feed, connection)
        connection.identity = identity
        if identity.viewer_id and connection.key != UNCOUNTED:
            connection.key = self._key_of(f"viewer {identity.viewer_id}")
        for feed in counted:
            self.arrivals.count_now(feed, connection)
        if connection.id in self.connections:
            self.rights.watch(connection)
        for topic in list(connection.topics):
            if not self.is_open(topic, identity):
                self.rights.take_away(connection, topic, "private")

    # What a connection watches

    async def prepare(
        self,
        topic: TopicName,
        identity: Identity,
        *,
        after: Position | None = None,
        identify: AskIdentity | None = None,
    ) -> None:
        """Load the topic for a viewer who has seen it up to `after`, so that `enter` can follow at once.

        `identify` returns who the viewer is. It is called only if the topic is not open to `identity`.
        The first viewer of a topic costs one read of the database, all others none.
        Raises TopicGone (also for a topic that this viewer may not read), StoreUnavailable, what `identify` raises.
        """
        try:
            await self._prepare(topic, identity, after)
        except TopicGone:
            if identify is None:
                raise
            await self._prepare(topic, await identify(), after)

    async def _prepare(self, topic: TopicName, identity: Identity, after: Position | None) -> None:
        feed = await self._ready_feed(topic)
        if after is not None and after.epoch == feed.epoch and after.seq > feed.seq:
            # The viewer saw it on another node, which was faster. All that ask at the same time share one read.
            await asyncio.shield(self.repair.pull_soon(feed, grace_seconds=0))
        if not feed.access.allows(topic, identity):
            if feed.kind.is_presence:  # no event says which people the viewer has written to since the last look
                await self.online.read_again([feed])
            if not feed.access.allows(topic, identity):
                raise TopicGone(topic)

    async def read_ahead(self, topics: Sequence[TopicName]) -> None:
        """Load topics together, before each is prepared: one after the other, the first ones might be dropped before
        the last ones are there. Raises StoreUnavailable.
        """
        if len(topics) > 1:
            known = [topic for topic in topics if topic.partition(":")[0] in self._kinds]
            loads = {load for topic in known if (load := self._load_of(topic)) is not None}
            if loads:
                await asyncio.wait(loads)
            for load in loads:
                if not load.cancelled() and isinstance(error := load.exception(), StoreUnavailable):
                    raise error

    def is_open(self, topic: TopicName, identity: Identity) -> bool:
        """Whether `enter` would let the identity in: the topic is prepared, and not dropped or closed to them since."""
        feed = self.feeds.get(topic)
        return feed is not None and feed.is_ready and feed.access.allows(topic, identity)

    def enter(self, connection: Connection, topic: TopicName, *, after: Position | None = None) -> Opening:
        """Make the connection a viewer of a prepared topic. Return what it must read before any later frame.

        `after` is how far it has followed the topic. Then the opening holds the events since, or a `reset` if the node
        no longer has them. The caller writes the opening before it awaits anything.
        Raises TopicGone, TooManyTopics.
        """
        feed = self.feeds.get(topic)
        if feed is None or not self.is_open(topic, connection.identity):
            raise TopicGone(topic)
        connection.check_room(topic)
        if connection not in feed.members:
            feed.members.add(connection)
            connection.topics.add(topic)
            self._ids.look_at_topics(connection)
            if feed.kind.is_inbox and self._presence is not None and len(feed.members) == 1:
                self._presence.enter(subject(topic), is_hidden=connection.identity.is_hidden)
            feed.empty_since = None
            self.arrivals.count_in(feed, connection)
        return opening(feed, after)

    def unsubscribe(self, connection: Connection, topic: TopicName) -> None:
        connection.topics.discard(topic)
        feed = self.feeds.get(topic)
        if feed is None or connection not in feed.members:
            return
        feed.members.discard(connection)
        self._ids.look_at_topics(connection)
        if not feed.sending.outbox:
            feed.members.list_of(connection).compact()
        if not len(feed.members):
            feed.empty_since = self._clock()
            if feed.kind.is_inbox and self._presence is not None:
                self._presence.leave(subject(topic))
        self.arrivals.count_out(feed, connection)

    async def has_read(self, connection: Connection) -> bool:
        """Return True when the viewer has read most of what was written, False when the connection has ended."""
        while connection.id in self.connections and connection.wire.pending_bytes() > ROOM_BYTES:  # noqa: ASYNC110
            await asyncio.sleep(ROOM_SECONDS)
        return connection.id in self.connections

    def hello(self, connection: Connection, openings: Sequence[Opening]) -> list[Frame]:
        """Return the frames that open a connection, in order."""
        return hello(self.id, connection, openings, sample_ms=self.acknowledgements.every_ms)

    # Topics

    async def _ready_feed(self, topic: TopicName) -> Feed:
        if topic.partition(":")[0] not in self._kinds:
            raise TopicGone(topic)
        while (load := self._load_of(topic)) is not None:
            # Shielded: if one viewer leaves while waiting, the others still need the load.
            await asyncio.shield(load)
        return self.feeds[topic]

    def _load_of(self, topic: TopicName) -> asyncio.Task[None] | None:
        """Return the load of the topic that is under way, or begins now. None: it has been read."""
        feed = self.feeds.get(topic)
        if feed is None:
            feed = self.feeds[topic] = Feed(topic, self._kinds[topic.partition(":")[0]], self._kept)
            if self._neighbours is not None:
                self._neighbours.add(topic)
            self._loading[feed] = self.tasks.spawn(self._load(feed), name=f"load {topic}")
            metrics.topics.set(len(self.feeds))
        return None if feed.is_ready else self._loading[feed]

    async def _load(self, feed: Feed) -> None:
        """Enter the shared table, then read the topic. So all events that are published from now on reach this node."""
        try:
            with contextlib.suppress(TableUnavailable):
                await self.leases.enter(feed)
            metrics.topic_loads.inc()
            loaded = await self._store.load(feed.topic)
        except BaseException:
            self.drop(feed)
            raise
        self.carry_out(feed, feed.load(loaded))
        if feed.kind.is_presence:
            await self.online.loaded(feed)
        feed.empty_since = self._clock()  # until the first subscribe returns
        feed.is_ready = True
        del self._loading[feed]
        early, feed.early = feed.early, []
        for event, passage in early:
            self.take(feed, event, passage)

    def drop(self, feed: Feed) -> None:
        """Forget a topic that nobody watches."""
        if self.feeds.get(feed.topic) is feed:
            del self.feeds[feed.topic]
            if self._neighbours is not None:
                self._neighbours.drop(feed.topic)
        metrics.topics.set(len(self.feeds))
        self._loading.pop(feed, None)
        self.leases.forget(feed)
        self.repair.forget(feed)
        feed.ring.clear()
        feed.sending.cancel()

    def end(self, feed: Feed) -> None:
        """The topic was deleted."""
        self.rights.expel_all(feed)
        self.drop(feed)

    # The end

    async def _expire_acknowledgements(self) -> None:
        self.acknowledgements.expire()

    async def drain(self, *, window_seconds: float) -> None:
        """Send all viewers to other nodes, evenly over the window, each with a time to come back. Then end the node."""
        self.is_draining = True
        drained = await send_away(self.connections, self.rights.close, window_seconds=window_seconds, clock=self._clock)
        await self.aclose()  # a renewal that is under way would enter the node again
        await self.leases.end()
        with contextlib.suppress(StoreUnavailable):
            while await self.repair.save_seen(self.feeds.values()):
                pass
        logger.info("node %s left, %d connections drained", self.id, drained)

    async def aclose(self) -> None:
        """End the node's tasks."""
        await self.tasks.aclose()
