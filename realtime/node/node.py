"""The frontend node: holds connections, knows who watches what, and delivers.

Hop: the last but one. Fed by the channel layer (`deliver`, from dispatchers) and by its own reconcile loop (from
the database); writes through realtime.node.connections. All state belongs to one event loop: no locks.

Promises, per topic and connection: durable events in order, each once, none missing: a gap is noticed by `seq` and
repaired from the event log, or the connection gets `reset` with a fresh snapshot. All members of a topic may read it,
after every step and before anything of that step is written (`_snapshot_changed`). State (likes, viewers): the newest
wins. Reactions: at most once. Redis, the layer and the dispatcher only make it fast: without them events come from
the reconcile loop, `RECONCILE_SECONDS` late.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import os
import random
import re
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import orjson

from realtime import metrics
from realtime.batches import Batches, news_gathered
from realtime.events import (
    BURST_TTL_MS,
    Burst,
    ConnectionId,
    Durable,
    Epoch,
    Event,
    Frame,
    NodeId,
    Position,
    Signal,
    State,
    TopicName,
    Totals,
    durable_frame,
    event_id,
    frame,
    from_wire,
    newest,
    now_ms,
    parse_event_id,
)
from realtime.identity import Identity
from realtime.kinds import Access, TopicKind
from realtime.log.store import Head, Loaded, Store, StoreUnavailable, TopicGone
from realtime.node.audience import Audience
from realtime.node.connections import (
    HEARTBEAT_SECONDS,
    Closing,
    Connection,
    ConnectionGone,
    write_slice,
)
from realtime.node.presence import SWEEP_SECONDS, Presence, status
from realtime.node.samples import Samples
from realtime.stamps import Journey, Passage
from realtime.table.counting import UNCOUNTED, KeyOf, Roll, ViewerKey, viewer_keys
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import Renewed, Share, Watched

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 2.0
RECONCILE_MAX_TOPICS = 2_000  # at once: about 5 ms
LOOK_MAX_TOPICS = 500  # presence topics read at once: about 15 ms
RIGHTS_SECONDS = 2.5  # how often those who said who they are have to be still so
RECOGNIZE_MAX_WATCHERS = 500  # who come back by tickets, looked at together
LINGER_SECONDS = 10.0  # a topic without viewers stays loaded: they come back after a reload
GAP_GRACE_SECONDS = 0.05  # two backends' batches may overtake each other by that much
# A connection reads so much at once, of its first topics or of what it has missed; it gets more when it has read that.
# So the bound of what waits for a reader (realtime.edge.bound) is never reached by one who only asks for much.
OPENING_MAX_BYTES = 128 * 1024
ROOM_BYTES = 32 * 1024
ROOM_SECONDS = 0.05
PULL_MAX_EVENTS = 1_000  # behind by more than that, a topic starts again from its snapshot
PULL_SLICE_EVENTS = 50  # of missed events, delivered at once; then viewers have a moment to read
PULL_PAUSE_SECONDS = 0.02
SLICE_CONNECTIONS = 500  # about 5 ms of writing
TURN_SECONDS = 0.008  # of writing, then the loop has its turn
FANOUT_SHARE = 1 / 5  # of a core, at most, is spent on one topic's state frames
CONTENTION_REST = 2  # times as long as others kept the processor from us: the machine has more to do than this
REST_MAX_SECONDS = 1.5  # state is never older than 2 s
RETRY_MS = 2_000
ENTER_MAX_TOPICS = 1_000  # that are entered in the shared table at once
TOPICS_MAX = 50  # of a connection
VIEWERS_REST = 8  # times as long as for likes: a change of the viewer count alone can wait
VIEWERS_REST_MAX_SECONDS = 2.0
POLL_REST_SECONDS = 2.0  # between the end of a viewer's poll and the next, at most
ARRIVALS_SECONDS = 0.25  # how often it is seen who has been here long enough to count
VIEWERS_SETTLE_SECONDS = 0.25  # joins and leaves within it are told in one step
TOLD_MAX_KEYS = 20_000  # in one step, over all topics: some 80 ms of Redis in calls of 2 ms
WRITTEN_MAX_KEYS = 5_000  # of new viewers, with each look at the database
LIKES_MAX = 512  # batches of likes in one frame whose times are kept; of more, every second
NOBODY = Watched(0, 0)
AskIdentity = Callable[[], Awaitable[Identity]]
NODE_ID = re.compile(r"live\.node\.[A-Za-z0-9_]{1,64}\.[0-9a-f]{12}", re.ASCII)


class Neighbours(Protocol):
    """Who tells other regions what this node watches (realtime.relay.interest.Interest)."""

    def add(self, topic: TopicName) -> None: ...

    def drop(self, topic: TopicName) -> None: ...

    def count(self, topic: TopicName, here: Watched) -> None: ...

    async def run(self) -> None: ...


class Table(Protocol):
    """The half of the shared table that a node needs (realtime.table.subscriptions.SharedTable)."""

    async def renew(self, node: NodeId, shares: Mapping[TopicName, Share]) -> dict[TopicName, Renewed]: ...

    async def enter(self, node: NodeId, topics: Sequence[TopicName]) -> None: ...

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None: ...


@dataclass(frozen=True, slots=True)
class Between:
    """A viewer of a topic between two polls."""

    viewer_id: str
    until: float  # when the next poll no longer comes
    counts_at: float | None  # None: counts already


_NO_ROLL = Roll()  # of topics whose viewers nobody counts: there may be one for each viewer here


@dataclass(slots=True)
class _Outgoing:
    """Frames on their way, in one write: to those who stood in each audience when they were made.

    Who cannot take them at once gets `durable` all the same, and of `state` the newest when it can.
    """

    durable: list[Frame]
    state: list[Frame]
    sse_size: int
    websocket_size: int
    readers: Sequence[Connection] = ()  # those of them that are sampled

    def absorb(self, other: _Outgoing) -> bool:
        """Take another's frames along if they go to the same audience."""
        if (self.sse_size, self.websocket_size) != (other.sse_size, other.websocket_size):
            return False
        self.durable += other.durable
        self.state += other.state
        return True


@dataclass(slots=True, eq=False)
class Feed:
    """One topic on this node: its viewers, its newest durable frames and its current snapshot."""

    topic: TopicName
    kind: TopicKind
    sse: Audience[Connection] = field(default_factory=Audience)
    websocket: Audience[Connection] = field(default_factory=Audience)
    sampled: set[Connection] = field(default_factory=set)
    seq: int = 0
    epoch: Epoch = Epoch("")  # noqa: RUF009  (a text)
    ring: deque[Frame] = field(init=False)
    snapshot: dict[str, Any] = field(default_factory=dict)
    access: Access = Access()  # noqa: RUF009  (frozen)
    totals: Totals | None = None
    roll: Roll = field(init=False)
    watched: Watched = NOBODY
    has_viewers: bool = False  # who is here is counted: not where the video has ended
    elsewhere: int = 0  # viewers on other nodes, in any region, by the last answer of the table
    peak_saved: int = 0

    loading: asyncio.Task[None] | None = None
    early: list[tuple[Event, Passage]] = field(default_factory=list)  # came while loading
    ahead: dict[int, tuple[Durable, Passage]] = field(default_factory=dict)  # came before one that is missing
    pulling: asyncio.Task[None] | None = None
    empty_since: float | None = None
    read_at: float = 0.0  # of a presence topic: when it was last read from the database

    # What waits for its frame, with the passage of what came first.
    pending_totals: Totals | None = None
    pending_likes: list[tuple[int, Passage]] = field(default_factory=list)  # when they were received
    pending_viewers: bool = False
    pending_burst: tuple[Burst, Passage] | None = None
    states: dict[str, State] = field(default_factory=dict)
    pending_states: dict[str, tuple[State, Passage | None]] = field(default_factory=dict)
    pending_signals: dict[tuple[str, str], tuple[Signal, Passage]] = field(default_factory=dict)
    sent_kinds: Mapping[str, int] = field(default_factory=dict)
    is_due: bool = False  # state waits to be sent
    due_at: float = 0.0
    flush_timer: asyncio.TimerHandle | None = None
    flushed_at: float = 0.0
    rest_seconds: float = 0.0  # between frames of state, by what the last fan-out took
    outbox: list[_Outgoing] = field(default_factory=list)
    pump: asyncio.Task[None] | None = None
    opening: bytes = b""  # the topic's part of `hello`, encoded; empty: stale

    def __post_init__(self) -> None:
        self.ring = deque(maxlen=self.kind.kept_events)
        self.roll = Roll() if self.kind.is_counted else _NO_ROLL

    def __len__(self) -> int:
        return len(self.sse) + len(self.websocket)

    @property
    def is_ready(self) -> bool:
        return self.loading is None

    def audience_of(self, connection: Connection) -> Audience[Connection]:
        return self.sse if connection.is_sse else self.websocket

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    @property
    def written(self) -> str:
        """The position up to which all viewers have been written to, as an id; "" where that is no position."""
        if not self.kind.kept_events:
            return ""
        waiting = next((made for out in self.outbox for made in out.durable if made.id), None)
        if waiting is None:
            return event_id(self.topic, self.position)
        found = None if waiting.name == "reset" else parse_event_id(waiting.id)
        return event_id(self.topic, Position(found[1].epoch, found[1].seq - 1)) if found else ""

    def members(self) -> list[Connection]:
        return [*self.sse, *self.websocket]

    def full_snapshot(self) -> dict[str, Any]:
        """The snapshot with what the node counts: likes and viewers."""
        shown = self.kind.shown(self.snapshot)
        if self.totals is None:
            return shown
        return {
            **shown,
            "likes": {"total": self.totals.total, "kinds": dict(self.totals.kinds)},
            "viewers": {"count": self.watched.count, "peak": self.watched.peak},
        }

    def opening_part(self) -> bytes:
        if not self.opening:
            self.opening = orjson.dumps({"epoch": self.epoch, "seq": self.seq, "snapshot": self.full_snapshot()})
        return self.opening

    def likes_frame(
        self, *, delta: int, names: Sequence[str], at_ms: int, likes: Sequence[tuple[int, Passage]] = ()
    ) -> Frame:
        assert self.totals is not None
        data = {"topic": self.topic, "total": self.totals.total, "kinds": self.totals.kinds}
        journey = Journey("likes", likes[0][1], at_ms, [received for received, _ in likes]) if likes else None
        return frame("likes", {**data, "delta": delta, "names": names, "at_ms": at_ms}, journey=journey)

    def viewers_frame(self, passage: Passage | None = None) -> Frame:
        at_ms = now_ms()
        data = {"topic": self.topic, "count": self.watched.count, "peak": self.watched.peak, "at_ms": at_ms}
        return frame("viewers", data, journey=Journey("viewers", passage, at_ms) if passage else None)

    def state_frame(self, state: State | Signal, passage: Passage | None = None) -> Frame:
        journey = Journey(state.name, passage, passage.began_ms, (passage.began_ms,)) if passage else None
        return frame(state.name, {"topic": self.topic, **state.data}, journey=journey)

    def newest_state(self) -> list[Frame]:
        """Return the frames of all state that is not in the event log, as it is now."""
        frames = [self.state_frame(state) for state in self.states.values()]
        if self.totals is not None:
            frames += [self.likes_frame(delta=0, names=(), at_ms=now_ms()), self.viewers_frame()]
        return frames

    def reset_frame(self, reason: str) -> Frame:
        data = {"topic": self.topic, "reason": reason, "epoch": self.epoch, "seq": self.seq}
        return frame("reset", {**data, "snapshot": self.full_snapshot()}, id=event_id(self.topic, self.position))


def _tells_more(seen: State, known: State, *, is_fresh: bool) -> bool:
    """Whether a look at the presence table has news. What the database keeps counts only where it was just read."""
    return seen.data != known.data if is_fresh else seen.data["status"] != known.data["status"]


def subject(topic: TopicName) -> str:
    """Return whom or what a topic is about: what stands behind its prefix."""
    return topic.partition(":")[2]


def public_id(connection: ConnectionId, node: NodeId) -> str:
    """Return the name by which a client speaks of its connection to any node; `parse_public_id` reads it."""
    return f"{connection}@{node}"


def parse_public_id(text: str) -> tuple[ConnectionId, NodeId]:
    """Raises ValueError for a text that is no connection's."""
    connection, at, node = text.partition("@")
    if not at or not connection or not NODE_ID.fullmatch(node):
        raise ValueError("a connection is what `hello` says")
    return ConnectionId(connection), NodeId(node)


@dataclass(slots=True)
class Opening:
    """What a connection reads first of a topic: its part of `hello`, `{"epoch", "seq", "snapshot"}`, then frames."""

    topic: TopicName
    part: bytes
    frames: list[Frame] = field(default_factory=list)
    before: str = ""  # the position before the frames, as an id; "": none that one could go on from

    @property
    def size(self) -> int:
        return len(self.part) + sum(len(made.body) for made in self.frames)


def _named(frames: Iterable[Frame], positions: dict[TopicName, str]) -> list[Frame]:
    """Return the frames as one connection gets them: who is cut behind any of them can go on in all its topics.

    `positions`: the ids of what was written before.
    """
    named = []
    for made in frames:
        if made.id:
            positions[TopicName(made.id.partition("@")[0])] = made.id
            named.append(Frame(made.name, made.body, id=",".join(positions.values())))
        else:
            named.append(made)
    return named


class TooManyTopics(Exception):
    """The connection has `TOPICS_MAX` topics."""


def _see_whether_room(connection: Connection, topic: TopicName) -> None:
    """Raises TooManyTopics."""
    if len(connection.topics) >= TOPICS_MAX and topic not in connection.topics:
        raise TooManyTopics(topic)


class Node:
    """A frontend node. Make it on its event loop, then `start()`; at the end `drain()` and `aclose()`.

    `kinds` maps a topic's prefix to the kind registered for it.
    """

    def __init__(
        self,
        id: NodeId,
        *,
        table: Table,
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
        key_of: KeyOf = viewer_keys(""),  # noqa: B008  (a function, made once)
        clock: Callable[[], float] = time.monotonic,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.id = id
        self.feeds: dict[TopicName, Feed] = {}
        self.connections: dict[ConnectionId, Connection] = {}
        self.is_draining = False
        self._table = table
        self._store = store
        self._kinds = kinds
        self._presence = presence
        self._region = region
        self.samples = Samples(clock=clock, share=sample_share)
        self._neighbours = neighbours
        self._frame_seconds = frame_seconds
        self._renew_seconds = renew_seconds
        self._lease_seconds = lease_seconds
        self._count_after_seconds = count_after_seconds
        # Who has come and does not count yet, oldest first, with when that is over.
        self._arriving: OrderedDict[tuple[Feed, Connection], float] = OrderedDict()
        # Whose poll has ended and whose next is on its way, oldest first.
        self._between: OrderedDict[tuple[Feed, ViewerKey], Between] = OrderedDict()
        self._key_of = key_of
        self._clock = clock
        self._write_descriptor = write
        self._renewed_at = self._entered_at = clock()
        self._beats = 0
        self._changed: set[Feed] = set()
        self._change = asyncio.Event()
        self._entering = Batches(self._enter, keys_max=ENTER_MAX_TOPICS)
        self._recognizing = Batches(self._recognize, keys_max=RECOGNIZE_MAX_WATCHERS)
        self._loop = asyncio.get_running_loop()
        self._due: deque[Feed] = deque()
        self._slow: set[Connection] = set()
        self._identified: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # Connections

    def start(self) -> None:
        """Start the node's loops: leases, reconcile, heartbeat, slow viewers."""
        for name, step, seconds in (
            ("reconcile", self.reconcile, RECONCILE_SECONDS),
            ("heartbeat", self.heartbeat, 1.0),
            ("slow viewers", self.check_slow, 0.5),
            ("rights", self.check_rights, RIGHTS_SECONDS),
            ("samples", self.expire_samples, 1.0),
            ("arrivals", self.count_arrived, ARRIVALS_SECONDS),
        ):
            self.spawn(self._every(step, seconds), name=name)
        self.spawn(self._renewing(), name="renew")
        if self._neighbours is not None:
            self.spawn(self._neighbours.run(), name="neighbours")
        if self._presence is not None:
            self.spawn(self._presence.run(), name="heartbeats")
            self.spawn(self._every(self._presence.sweep, SWEEP_SECONDS), name="sweep")
            self.spawn(self._every(self.look_at_presence, RECONCILE_SECONDS), name="presence")

    def add(self, connection: Connection) -> None:
        self.connections[connection.id] = connection
        connection.is_sampled = self.samples.enter(connection.id)
        if connection.watcher.viewer_id:
            self._identified.add(connection)
        metrics.connections.labels("sse" if connection.is_sse else "websocket").inc()

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection everywhere. A second time changes nothing."""
        if self.connections.pop(connection.id, None) is None:
            return
        self._slow.discard(connection)
        self._identified.discard(connection)
        self.samples.leave(connection.id)
        metrics.connections.labels("sse" if connection.is_sse else "websocket").dec()
        for topic in list(connection.topics):
            self.unsubscribe(connection, topic)

    def end_poll(self, connection: Connection) -> None:
        """Forget a stream that ended when it was asked to. Its viewer counts on for a while: the next is on its way."""
        key, viewer_id = connection.key, connection.watcher.viewer_id
        until = self._clock() + self._count_after_seconds + POLL_REST_SECONDS
        for feed in [self.feeds[topic] for topic in connection.topics if topic in self.feeds]:
            if feed.has_viewers and key != UNCOUNTED:
                self._end_between(feed, key)
                counts_at = self._arriving.get((feed, connection))
                if counts_at is None:
                    feed.roll.enter(key, viewer_id)
                self._between[feed, key] = Between(viewer_id, until, counts_at)
        self.remove(connection)

    def identify(self, connection: Connection, watcher: Identity) -> None:
        """Note who watches on an open connection: from now on that has to stay true, and he is counted as himself."""
        counted = [
            feed
            for topic in connection.topics
            if (feed := self.feeds.get(topic)) is not None and (feed, connection) not in self._arriving
        ]
        for feed in counted:
            self._count_out(feed, connection)
        connection.watcher = watcher
        if watcher.viewer_id and connection.key != UNCOUNTED:
            connection.key = self._key_of(f"viewer {watcher.viewer_id}")
        for feed in counted:
            self._count_now(feed, connection)
        if watcher.viewer_id and connection.id in self.connections:
            self._identified.add(connection)
        for topic in list(connection.topics):
            if not self.is_open(topic, watcher):
                self._lose(connection, topic, "private")

    async def prepare(
        self,
        topic: TopicName,
        watcher: Identity,
        *,
        after: Position | None = None,
        identify: AskIdentity | None = None,
    ) -> None:
        """Have the topic at hand for a viewer who has seen it up to `after`, so that `enter` can follow at once.

        `identify` says who the viewer is. It is asked only where the topic is not open to `watcher`.
        The first viewer of a topic costs one read of the database, all others none.
        Raises TopicGone (also for a topic that this viewer may not read), StoreUnavailable, what `identify` raises.
        """
        try:
            await self._prepare(topic, watcher, after)
        except TopicGone:
            if identify is None:
                raise
            await self._prepare(topic, await identify(), after)

    async def _prepare(self, topic: TopicName, watcher: Identity, after: Position | None) -> None:
        feed = await self._ready_feed(topic)
        if after is not None and after.epoch == feed.epoch and after.seq > feed.seq:
            # It saw it on another node, which was faster. Who asks at the same time shares the one read.
            await asyncio.shield(self._pull_soon(feed, grace_seconds=0))
        if not feed.access.allows(topic, watcher):
            if feed.kind.is_presence:  # nobody has told us of whom he has written to since we looked
                await self._read_again([feed])
            if not feed.access.allows(topic, watcher):
                raise TopicGone(topic)

    def is_open(self, topic: TopicName, watcher: Identity) -> bool:
        """Whether `enter` would let the watcher in: the topic is prepared, not dropped nor closed to them since."""
        feed = self.feeds.get(topic)
        return feed is not None and feed.is_ready and feed.access.allows(topic, watcher)

    def enter(self, connection: Connection, topic: TopicName, *, after: Position | None = None) -> Opening:
        """Make the connection a viewer of a prepared topic; return what it has to read before any later frame.

        `after` is how far it has followed the topic: then the opening holds the events since, or a `reset` where
        they are no longer at hand. The caller writes the opening before it awaits anything.
        Raises TopicGone, TooManyTopics.
        """
        feed = self.feeds.get(topic)
        if feed is None or not self.is_open(topic, connection.watcher):
            raise TopicGone(topic)
        _see_whether_room(connection, topic)
        if connection not in (audience := feed.audience_of(connection)):
            audience.add(connection, connection.way)
            connection.topics.add(topic)
            self._see_whether_named(connection)
            if connection.is_sampled:
                feed.sampled.add(connection)
            if feed.kind.is_inbox and self._presence is not None and len(feed) == 1:
                self._presence.enter(subject(topic), is_hidden=connection.watcher.is_hidden)
            feed.empty_since = None
            self._count_in(feed, connection)
        return self._opening(feed, after)

    def unsubscribe(self, connection: Connection, topic: TopicName) -> None:
        connection.topics.discard(topic)
        feed = self.feeds.get(topic)
        if feed is None or connection not in feed.audience_of(connection):
            return
        feed.sampled.discard(connection)
        feed.audience_of(connection).discard(connection)
        self._see_whether_named(connection)
        if not feed.outbox:
            feed.audience_of(connection).compact()
        if not len(feed):
            feed.empty_since = self._clock()
            if feed.kind.is_inbox and self._presence is not None:
                self._presence.leave(subject(topic))
        self._count_out(feed, connection)

    async def change_topics(
        self,
        connection: Connection,
        subscribe: Mapping[TopicName, Position | None],
        unsubscribe: Iterable[TopicName],
    ) -> dict[TopicName, int | str]:
        """Change what an open connection watches; the stream says the rest: `subscribed`, then what was missed.

        `subscribe` maps topics to how far each was followed, None: not at all. Returns the seq of each new topic, or
        why not: not_found, too_many_topics, unavailable.
        """
        for topic in unsubscribe:
            self.unsubscribe(connection, topic)
        answers = await asyncio.gather(*(self._subscribe(connection, *item) for item in subscribe.items()))
        return dict(zip(subscribe, answers, strict=True))

    async def subscribe(
        self,
        connection: Connection,
        topic: TopicName,
        *,
        after: Position | None = None,
        identify: AskIdentity | None = None,
    ) -> Opening:
        """Make an open connection a viewer of one topic more, once its viewer has read most of what was written.

        `after` as for `enter`, `identify` as for `prepare`. The caller writes the opening before it awaits anything.
        Raises ConnectionGone, TooManyTopics, TopicGone, StoreUnavailable, what `identify` raises.
        """
        _see_whether_room(connection, topic)
        has_read = False
        while not has_read:
            if not await self.has_read(connection):
                raise ConnectionGone(connection.id)
            await self.prepare(topic, connection.watcher, after=after, identify=identify)
            has_read = connection.wire.pending_bytes() <= ROOM_BYTES
        if connection.id not in self.connections:
            raise ConnectionGone(connection.id)
        return self.enter(connection, topic, after=after)

    async def _subscribe(self, connection: Connection, topic: TopicName, after: Position | None) -> int | str:
        """Subscribe, and let the stream say it. Return the seq of the topic, or why not."""
        try:
            opening = await self.subscribe(connection, topic, after=after)
        except (ConnectionGone, TopicGone):
            return "not_found"
        except TooManyTopics:
            return "too_many_topics"
        except StoreUnavailable:
            return "unavailable"
        head = b'{"topic":"%b",' % topic.encode()
        begun = Frame("subscribed", head + opening.part[1:], id=opening.before)
        connection.write([begun, *opening.frames])
        return self.feeds[topic].seq

    async def has_read(self, connection: Connection) -> bool:
        """Return True when the viewer has read most of what was written, False when the connection has ended."""
        while connection.id in self.connections and connection.wire.pending_bytes() > ROOM_BYTES:  # noqa: ASYNC110
            await asyncio.sleep(ROOM_SECONDS)
        return connection.id in self.connections

    def enter_later(self, connection: Connection, topics: Mapping[TopicName, Position | None]) -> None:
        """Make the connection a viewer of more topics, one by one as it reads; each comes with `subscribed`."""
        self.spawn(self._enter_later(connection, topics), name="more topics")

    async def _enter_later(self, connection: Connection, topics: Mapping[TopicName, Position | None]) -> None:
        for topic, after in topics.items():
            while (answer := await self._subscribe(connection, topic, after)) == "unavailable":  # noqa: ASYNC110
                await asyncio.sleep(RETRY_MS / 1000)
            if isinstance(answer, str) and connection.id in self.connections:
                connection.write([frame("unsubscribed", {"topic": topic, "reason": "gone"})])

    def hello(self, connection: Connection, openings: Sequence[Opening]) -> list[Frame]:
        """Return the frames that open a connection, in order."""
        topics = b",".join(b'"%b":%b' % (opening.topic.encode(), opening.part) for opening in openings)
        body = b'{"node":"%b","connection":"%b","topics":{%b},"retry_ms":%d%b}' % (
            self.id.encode(),
            public_id(connection.id, self.id).encode(),
            topics,
            RETRY_MS,
            b',"sample":{"every_ms":%d}' % self.samples.every_ms if connection.is_sampled else b"",
        )
        frames = [made for opening in openings for made in opening.frames]
        begun = {opening.topic: opening.before for opening in openings if opening.before}
        hello = Frame("hello", body, id=",".join(begun.values()))
        return [hello, *(frames if connection.name_all is None else _named(frames, begun))]

    def _see_whether_named(self, connection: Connection) -> None:
        """Have the ids of a connection name all its topics while there are several that have positions."""
        if not connection.has_ids_of_all:
            return
        feeds = [feed for topic in connection.topics if (feed := self.feeds.get(topic)) and feed.kind.kept_events]
        is_named = len(feeds) > 1
        if is_named != (connection.name_all is not None):
            connection.name_all = partial(self._name_all, connection) if is_named else None
            self._set_ways(connection)

    def _name_all(self, connection: Connection, frames: Sequence[Frame]) -> list[Frame]:
        feeds = [feed for topic in connection.topics if (feed := self.feeds.get(topic)) is not None]
        return _named(frames, {feed.topic: written for feed in feeds if (written := feed.written)})

    def _opening(self, feed: Feed, after: Position | None) -> Opening:
        if after is None or not feed.kind.kept_events:
            before = event_id(feed.topic, feed.position) if feed.kind.kept_events else ""
            return Opening(feed.topic, feed.opening_part(), before=before)
        opening = Opening(feed.topic, b'{"epoch":"%b","seq":%d,"snapshot":null}' % (feed.epoch.encode(), feed.seq))
        missed = feed.seq - after.seq
        if after.epoch == feed.epoch and 0 <= missed <= len(feed.ring):
            opening.frames = list(feed.ring)[len(feed.ring) - missed :]
            opening.frames += feed.newest_state()
            opening.before = event_id(feed.topic, after)
            if opening.size > OPENING_MAX_BYTES:
                metrics.resets.labels("far_behind").inc()
                opening.frames, opening.before = [feed.reset_frame("far_behind")], ""
        else:
            if after.epoch == feed.epoch:
                reason = "too_old" if missed > 0 else "unknown_position"
            else:
                reason = "database_changed" if after.epoch else "unknown_position"
            metrics.resets.labels(reason).inc()
            opening.frames = [feed.reset_frame(reason)]
        return opening

    # Topics

    async def _ready_feed(self, topic: TopicName) -> Feed:
        kind = self._kinds.get(topic.partition(":")[0])
        if kind is None:
            raise TopicGone(topic)
        while True:
            feed = self.feeds.get(topic)
            if feed is None:
                feed = self.feeds[topic] = Feed(topic, kind)
                if self._neighbours is not None:
                    self._neighbours.add(topic)
                feed.loading = self.spawn(self._load(feed), name=f"load {topic}")
                metrics.topics.set(len(self.feeds))
            if feed.loading is None:
                return feed
            # Shielded: whoever leaves while waiting must not take the load away from the others.
            await asyncio.shield(feed.loading)

    async def _load(self, feed: Feed) -> None:
        """Enter the shared table, then read the topic: what is published from now on reaches this node."""
        try:
            with contextlib.suppress(TableUnavailable):
                if feed.kind.is_counted:
                    await self._renew([feed])
                else:
                    await self._entering.ask(feed.topic)
            metrics.topic_loads.inc()
            loaded = await self._store.load(feed.topic)
        except BaseException:
            self._drop(feed)
            raise
        self._take(feed, loaded)
        if feed.kind.is_presence:
            feed.read_at = self._clock()
            await self._look([feed], {feed})
        feed.empty_since = self._clock()  # until the first subscribe returns
        feed.loading = None
        early, feed.early = feed.early, []
        for event, passage in early:
            self._deliver_to(feed, event, passage)

    def _take(self, feed: Feed, loaded: Loaded) -> None:
        feed.seq, feed.epoch = loaded.head.seq, loaded.epoch
        feed.snapshot = loaded.snapshot
        for state in feed.states.values():  # which no row keeps
            feed.kind.apply(feed.snapshot, state.name, state.data)
        self._snapshot_changed(feed)
        feed.ring.clear()
        feed.ring.extend(durable_frame(event, feed.epoch) for event in loaded.log)
        feed.ahead = {seq: came for seq, came in feed.ahead.items() if seq > feed.seq}
        if loaded.likes is not None:
            feed.totals = newest(feed.totals, Totals(feed.topic, loaded.head.version, loaded.likes))
            feed.sent_kinds = feed.totals.kinds
            feed.peak_saved = loaded.viewers_peak
            feed.watched = Watched(feed.watched.count, max(feed.watched.peak, loaded.viewers_peak))

    def _snapshot_changed(self, feed: Feed) -> None:
        """Take in what a topic's snapshot has become: each change of one ends here, before anything of it is written.

        Who may not read the topic any more loses it now.
        """
        feed.opening = b""
        access = feed.kind.access(feed.snapshot)
        if access != feed.access:
            feed.access = access
            self._expel(feed)
        self._see_whether_counted(feed)

    def _drop(self, feed: Feed) -> None:
        if self.feeds.get(feed.topic) is feed:
            del self.feeds[feed.topic]
            if self._neighbours is not None:
                self._neighbours.drop(feed.topic)
        self._changed.discard(feed)
        metrics.topics.set(len(self.feeds))
        for task in (feed.pulling, feed.pump):
            if task is not None:
                task.cancel()
        if feed.flush_timer is not None:
            feed.flush_timer.cancel()

    # Delivery

    def deliver(self, wire: Iterable[object], stamps: object = None) -> None:
        """Take the events of one message of the channel layer. Never raises: a bad item is counted and left out.

        `stamps` says when they passed the hops before this one (realtime.stamps).
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
            if feed is None:
                continue  # the last viewer has just left
            if feed.is_ready:
                self._deliver_to(feed, event, passage)
            else:
                feed.early.append((event, passage))

    def _deliver_to(self, feed: Feed, event: Event, passage: Passage) -> None:
        match event:
            case Durable():
                self._deliver_durable(feed, event, passage)
            case Totals():
                self._deliver_totals(feed, event, passage)
            case Burst():
                if now_ms() - event.at_ms < BURST_TTL_MS:
                    self._count("reactions", event.at_ms, passage)
                    known, first = feed.pending_burst or (None, passage)
                    feed.pending_burst = (known.plus(event) if known else event, first)
                    self._flush_soon(feed, feed.rest_seconds)
            case State():
                self._deliver_state(feed, event, passage)
            case Signal():
                self._count(event.name, passage.began_ms, passage)
                feed.pending_signals[event.name, event.key] = (event, passage)
                self._flush_soon(feed, feed.rest_seconds)

    def _count(self, event: str, at_ms: int, passage: Passage) -> None:
        """Count how long what was received at `at_ms` took to each hop up to this one."""
        for hop, ms in passage.since(at_ms):
            metrics.hop_seconds.observe(hop, event, passage.region, ms)

    def _passage_here(self) -> Passage:
        """Return the way of what the node found or made itself, now."""
        return Passage(self._region, {"node": now_ms()})

    def _deliver_state(self, feed: Feed, state: State, passage: Passage | None = None) -> None:
        known = feed.states.get(state.name)
        if known is not None and state.version <= known.version:
            return
        if passage is not None:
            self._count(state.name, passage.began_ms, passage)
        feed.states[state.name] = state
        feed.pending_states[state.name] = (state, passage)
        feed.kind.apply(feed.snapshot, state.name, state.data)
        self._snapshot_changed(feed)
        self._flush_soon(feed, feed.rest_seconds)

    def _deliver_durable(self, feed: Feed, event: Durable, passage: Passage) -> None:
        if event.seq <= feed.seq:
            return  # seen: a batch that came twice, or what a pull has brought already
        if event.seq > feed.seq + 1:
            if len(feed.ahead) < PULL_MAX_EVENTS:
                feed.ahead[event.seq] = (event, passage)
            self._pull_soon(feed, grace_seconds=GAP_GRACE_SECONDS)
            return
        while True:
            self._deliver_next(feed, event, passage)
            following = feed.ahead.pop(feed.seq + 1, None)
            if following is None:
                return
            event, passage = following

    def _deliver_next(self, feed: Feed, event: Durable, passage: Passage) -> None:
        data = orjson.loads(event.body)
        at_ms = data["at_ms"]
        made = durable_frame(event, feed.epoch)
        made.journey = Journey(event.name, passage, at_ms, (at_ms,))
        feed.seq = event.seq
        feed.ring.append(
            durable_frame(event, feed.epoch)
        )  # as a later reader gets it: of its way there is nothing to say
        feed.kind.apply(feed.snapshot, event.name, data)
        self._snapshot_changed(feed)
        self._count(event.name, at_ms, passage)
        # State that waits for its turn rides along: another write would cost ten times as much as the bytes.
        self._send(feed, [made], self._take_state(feed))

    def _deliver_totals(self, feed: Feed, totals: Totals, passage: Passage | None = None) -> None:
        if feed.totals is None or totals.version <= feed.totals.version:
            return
        if totals.at_ms and passage is not None:
            self._count("likes", totals.at_ms, passage)
            feed.pending_likes.append((totals.at_ms, passage))
            if len(feed.pending_likes) > LIKES_MAX:
                del feed.pending_likes[1::2]
        feed.totals = totals
        feed.opening = b""
        feed.pending_totals = newest(feed.pending_totals, totals)
        self._flush_soon(feed, feed.rest_seconds)

    def _flush_soon(self, feed: Feed, rest_seconds: float) -> None:
        """Send what changed at the end of the frame interval; at once if nothing was sent for that long.

        The interval stretches with the processor time that a fan-out takes, so a hot topic costs a bounded share of a
        core, and with the time it takes on a busy machine.
        """
        now = self._clock()
        due_at = max(now, feed.flushed_at + max(self._frame_seconds, rest_seconds))
        if feed.is_due and feed.due_at <= due_at:
            return
        feed.is_due, feed.due_at = True, due_at
        if feed.flush_timer is not None:
            feed.flush_timer.cancel()
            feed.flush_timer = None
        if due_at > now:
            feed.flush_timer = self._loop.call_later(due_at - now, self._flush, feed)
            return
        # Most topics are quiet: those of one batch share one turn of the loop instead of a timer each.
        if not self._due:
            self._loop.call_soon(self._flush_due)
        self._due.append(feed)

    def _flush_due(self) -> None:
        viewers = 0
        while self._due and viewers < SLICE_CONNECTIONS:
            feed = self._due.popleft()
            viewers += len(feed)
            self._flush(feed)
        if self._due:
            self._loop.call_soon(self._flush_due)

    def _flush(self, feed: Feed) -> None:
        if feed.outbox:  # the previous one is still on its way: wait for its end, then send the newest
            feed.flush_timer = self._loop.call_later(self._frame_seconds, self._flush, feed)
            return
        self._send(feed, [], self._take_state(feed))

    def _take_state(self, feed: Feed) -> list[Frame]:
        """Return the frames of what has changed and was not sent; nothing when nothing waits."""
        if not feed.is_due:
            return []
        feed.is_due = False
        if feed.flush_timer is not None:
            feed.flush_timer.cancel()
            feed.flush_timer = None
        feed.flushed_at = self._clock()
        frames = []
        if (totals := feed.pending_totals) is not None and feed.totals is not None:
            feed.pending_totals = None
            at_ms = totals.at_ms or now_ms()
            changes = [
                feed.totals.kinds.get(kind, 0) - feed.sent_kinds.get(kind, 0)
                for kind in feed.totals.kinds.keys() | feed.sent_kinds.keys()
            ]
            feed.sent_kinds = feed.totals.kinds
            likes, feed.pending_likes = feed.pending_likes, []
            made = feed.likes_frame(delta=sum(changes), names=totals.names, at_ms=at_ms, likes=likes)
            # Who changes the kind of his like takes one away and gives one.
            made.likes = max(sum(max(0, change) for change in changes), sum(max(0, -change) for change in changes))
            frames.append(made)
        if feed.pending_viewers:
            feed.pending_viewers = False
            frames.append(feed.viewers_frame(self._passage_here()))
        if feed.pending_burst is not None:
            burst, passage = feed.pending_burst
            feed.pending_burst = None
            data = {"topic": feed.topic, "counts": burst.counts, "at_ms": burst.at_ms}
            frames.append(frame("reactions", data, journey=Journey("reactions", passage, burst.at_ms, (burst.at_ms,))))
        frames += [feed.state_frame(*pending) for pending in feed.pending_states.values()]
        feed.pending_states.clear()
        now = now_ms()
        frames += [
            feed.state_frame(signal, passage)
            for signal, passage in feed.pending_signals.values()
            if signal.expires_at_ms > now
        ]
        feed.pending_signals.clear()
        return frames

    # Fan-out

    def _send(self, feed: Feed, durable: list[Frame], state: list[Frame]) -> None:
        """Write the frames to all viewers of the topic: now, if they are few and nothing is on its way."""
        if not len(feed) or not (durable or state):
            return
        out = _Outgoing(durable, state, feed.sse.size, feed.websocket.size, tuple(feed.sampled))
        if feed.pump is None and out.sse_size + out.websocket_size <= SLICE_CONNECTIONS:
            self._write(feed, out, 0, SLICE_CONNECTIONS)
            return
        feed.outbox.append(out)
        if feed.pump is None:
            feed.pump = self.spawn(self._pump(feed), name=f"fan-out {feed.topic}")

    async def _pump(self, feed: Feed) -> None:
        """Write the outbox in slices, so that others get their turn; frames for the same audience go in one write."""
        try:
            while feed.outbox:
                out = feed.outbox[0]
                while len(feed.outbox) > 1 and out.absorb(feed.outbox[1]):
                    del feed.outbox[1]
                began = turn = self._clock()
                busy = 0.0
                for start in range(0, max(out.sse_size, out.websocket_size), SLICE_CONNECTIONS):
                    slice_began = time.thread_time()
                    self._write(feed, out, start, start + SLICE_CONNECTIONS)
                    busy += time.thread_time() - slice_began
                    if self._clock() - turn > TURN_SECONDS:
                        await asyncio.sleep(0)
                        turn = self._clock()
                del feed.outbox[0]
                elapsed = self._clock() - began
                rest = busy / FANOUT_SHARE + (elapsed - busy) * CONTENTION_REST
                feed.rest_seconds = min(rest, REST_MAX_SECONDS)
                metrics.fanout_seconds.observe(elapsed)
            feed.sse.compact()
            feed.websocket.compact()
        finally:
            feed.pump = None

    def _write(self, feed: Feed, out: _Outgoing, start: int, stop: int) -> None:
        frames = out.durable + out.state
        if start == 0:
            self._note_written(frames, out.readers)
        written = sent_bytes = 0
        for audience, size, is_sse in (
            (feed.sse, out.sse_size, True),
            (feed.websocket, out.websocket_size, False),
        ):
            if start < size and len(audience):
                data = b"".join([made.sse if is_sse else made.websocket for made in frames])
                count = write_slice(
                    audience,
                    start,
                    min(stop, size),
                    data=data,
                    frames=frames,
                    durable=out.durable,
                    behind=self.filled,
                    write=self._write_descriptor,
                )
                written += count
                sent_bytes += count * len(data)
        for made in frames:
            metrics.frames_sent_of(made.name).inc(written)
            if made.likes:
                metrics.like_deliveries.inc(made.likes * written)
        metrics.bytes_sent.inc(sent_bytes)

    def _note_written(self, frames: Iterable[Frame], readers: Iterable[Connection]) -> None:
        """Tell frames that are written for the first time their hops, count them, and let sampled readers say so."""
        written_ms = now_ms()
        # Who has not taken yet what came before is not sent state: nothing is lost by that.
        ready = [reader.id for reader in readers if not reader.wire.pending_bytes()]
        for made in frames:
            if (journey := made.journey) is None:
                continue
            hops = journey.hops(written_ms, here=self._region)
            for received_ms in journey.received:
                metrics.hop_seconds.observe("written", journey.event, journey.passage.region, written_ms - received_ms)
            if ready and journey.received and (number := self.samples.begin(journey, written_ms, ready)):
                hops["n"] = number
            made.tell_hops(hops)

    async def expire_samples(self) -> None:
        self.samples.expire()

    # Slow viewers

    def filled(self, connection: Connection) -> None:
        """The connection's socket takes no more for now: write to it through its mailbox until it has caught up."""
        if connection not in self._slow and connection.id in self.connections:
            self._slow.add(connection)
            self._set_ways(connection)

    def _set_ways(self, connection: Connection) -> None:
        for topic in connection.topics:
            if (feed := self.feeds.get(topic)) is not None:
                feed.audience_of(connection).set_way(connection, connection.way)

    async def check_slow(self) -> None:
        """Pay what is owed to viewers that have caught up."""
        for connection in list(self._slow):
            if not connection.wire.pending_bytes():
                if connection.stale and any(feed.outbox for t in connection.topics if (feed := self.feeds.get(t))):
                    continue  # an older frame is on its way and would come after what is owed
                self._slow.discard(connection)
                self._set_ways(connection)
                if connection.stale:
                    connection.stale = False
                    metrics.mailbox_drops.labels("state").inc()
                    self._write_state(connection)

    def _write_state(self, connection: Connection) -> None:
        for topic in connection.topics:
            feed = self.feeds.get(topic)
            if feed is not None and (frames := feed.newest_state()):
                connection.write(frames)

    def _expel(self, feed: Feed) -> None:
        """Take the topic away from those who may not watch it."""
        if feed.access.public:
            return
        for connection in feed.members():
            if not feed.access.allows(feed.topic, connection.watcher):
                self._lose(connection, feed.topic, "private")

    def _lose(self, connection: Connection, topic: TopicName, reason: str) -> None:
        """Take a topic away from a connection; with its last one it ends."""
        if connection.topics == {topic}:
            self._dismiss(connection, reason)
        else:
            self.unsubscribe(connection, topic)
            connection.write([frame("unsubscribed", {"topic": topic, "reason": reason})])

    def _dismiss(self, connection: Connection, reason: str, why: Closing = Closing.GONE) -> None:
        self._part(connection, frame("bye", {"reason": reason}), why)

    async def recognizes(self, watcher: Identity) -> bool:
        """Whether the watcher still is who they came as: not banned, no new password. Of many who come back together
        the database is asked once. Raises StoreUnavailable.
        """
        return bool(await self._recognizing.ask(watcher))

    async def _recognize(self, watchers: Sequence[Identity]) -> dict[Identity, bool]:
        review = await self._store.review(watchers)
        return {watcher: watcher not in review.signed_out for watcher in watchers}

    async def check_rights(self) -> None:
        """Send away those who would not be recognized any more (signed out, banned, with another password), and who is
        where they may not be, named or not: no step lets that happen, but a right is looked at twice.
        """
        for number, feed in enumerate(list(self.feeds.values())):
            if feed.is_ready:
                feed.access = feed.kind.access(feed.snapshot)
                self._expel(feed)
            if number % SLICE_CONNECTIONS == SLICE_CONNECTIONS - 1:
                await asyncio.sleep(0)
        watchers = {connection.watcher for connection in self._identified}
        if not watchers:
            return
        try:
            review = await self._store.review(list(watchers))
        except StoreUnavailable:
            metrics.store_errors.inc()  # who came with good rights keeps them until the database says otherwise
            return
        if self._presence is not None:
            self._presence.set_hidden(review.hidden)
        for connection in list(self._identified) if review.signed_out else ():
            if connection.watcher in review.signed_out:
                self._dismiss(connection, "signed_out", Closing.EXPIRED)

    def _part(self, connection: Connection, goodbye: Frame, why: Closing) -> None:
        """Write the last frame of a connection. It is forgotten here and now: its end takes a turn of the loop, and
        a frame after the end would be read as the next answer (SSE) or break the protocol (WebSocket).
        """
        self.remove(connection)
        connection.wire.write([goodbye])
        connection.wire.close(why)

    # Repair

    def _pull_soon(self, feed: Feed, *, grace_seconds: float) -> asyncio.Task[None]:
        """Fetch what is missing from the event log; there is one pull a topic at a time."""
        if feed.pulling is None:
            feed.pulling = self.spawn(self._pull(feed, grace_seconds), name=f"pull {feed.topic}")
        return feed.pulling

    async def _pull(self, feed: Feed, grace_seconds: float) -> None:
        try:
            if grace_seconds:
                await asyncio.sleep(grace_seconds)
                if not feed.ahead:
                    return  # the missing one had only been overtaken
                metrics.gaps_found.inc()
            events = await self._store.events_after(feed.topic, feed.seq, limit=PULL_MAX_EVENTS)
            if events and events[0].seq > feed.seq + 1:
                await self._reload(feed, "history_gone")
                return
            if len(events) == PULL_MAX_EVENTS:
                await self._reload(feed, "far_behind")  # it is less to read, and fits the mailboxes
                return
            for number, event in enumerate(events):
                if number and number % PULL_SLICE_EVENTS == 0:
                    await asyncio.sleep(PULL_PAUSE_SECONDS)
                if event.seq > feed.seq:
                    metrics.gaps_repaired.inc()
                    self._deliver_durable(feed, event, self._passage_here())
        except (StoreUnavailable, TopicGone):
            metrics.store_errors.inc()  # the next reconcile tries again
        finally:
            feed.ahead = {seq: came for seq, came in feed.ahead.items() if seq > feed.seq}
            feed.pulling = None

    async def _reload(self, feed: Feed, reason: str) -> None:
        """Start the topic again from the database and tell its viewers so. Raises TopicGone, StoreUnavailable."""
        loaded = await self._store.load(feed.topic)
        if loaded.epoch == feed.epoch and loaded.head.seq < feed.seq and reason != "database_changed":
            return  # what came meanwhile is newer: it may have closed the topic
        if reason == "database_changed" or loaded.epoch != feed.epoch:
            feed.totals = None
        self._take(feed, loaded)
        metrics.resets.labels(reason).inc()
        self._send(feed, [feed.reset_frame(reason)], [])

    async def reconcile(self) -> None:
        """Ask the database for the heads of all topics here, and fetch what the fast way has lost."""
        feeds = [feed for feed in self.feeds.values() if feed.is_ready and feed.kind.kept_events]
        try:
            for start in range(0, len(feeds), RECONCILE_MAX_TOPICS):
                with contextlib.suppress(TopicGone):  # deleted between two reads: the next pass ends it
                    await self._reconcile({feed.topic: feed for feed in feeds[start : start + RECONCILE_MAX_TOPICS]})
            await self._save_peaks(feeds)
            await self._save_seen(feeds)
        except StoreUnavailable:
            metrics.store_errors.inc()

    async def _reconcile(self, feeds: Mapping[TopicName, Feed]) -> None:
        """Raises TopicGone, StoreUnavailable."""
        known = {topic: Head(feed.seq, feed.totals.version if feed.totals else 0) for topic, feed in feeds.items()}
        heads = await self._store.heads(known)
        newer = [
            topic for topic, head in heads.of.items() if feeds[topic].totals and head.version > known[topic].version
        ]
        totals = await self._store.newest_totals(newer) if newer else {}
        changed: list[Feed] = []
        for topic, feed in feeds.items():
            if self.feeds.get(topic) is not feed:
                continue
            head = heads.of.get(topic)
            if head is None:
                if feed.kind.is_logged:
                    self._end(feed)
                    continue
                head = Head(0, 0)  # it has had no event yet
            is_other = heads.epoch is not None and heads.epoch != feed.epoch
            if is_other or head.seq < known[topic].seq or head.version < known[topic].version:
                changed.append(feed)
                continue
            if head.seq > feed.seq:
                self._pull_soon(feed, grace_seconds=0)
            if topic in totals:
                self._deliver_totals(feed, totals[topic])
        # A backup was restored, or a replica promoted: what this node knew is no longer true.
        for done in await asyncio.gather(
            *(self._reload(feed, "database_changed") for feed in changed), return_exceptions=True
        ):
            if isinstance(done, BaseException):
                raise done

    async def look_at_presence(self) -> None:
        """See who is online, of all presence topics here, and read again who may see whom: no event tells of the
        second, and one of the first may have been lost. `LOOK_MAX_TOPICS` are read at a time, in turn.
        """
        feeds = [feed for feed in self.feeds.values() if feed.is_ready and feed.kind.is_presence]
        if not feeds:
            return
        fresh: set[Feed] = set()
        try:
            fresh = await self._read_again(heapq.nsmallest(LOOK_MAX_TOPICS, feeds, key=lambda feed: feed.read_at))
        except StoreUnavailable:
            metrics.store_errors.inc()
        await self._look([feed for feed in feeds if self.feeds.get(feed.topic) is feed], fresh)

    async def _read_again(self, feeds: Sequence[Feed]) -> set[Feed]:
        """Read presence topics anew; return those that are still there. Raises StoreUnavailable."""
        found = await self._store.snapshots([feed.topic for feed in feeds])
        fresh = set()
        for feed in feeds:
            if self.feeds.get(feed.topic) is not feed:
                continue
            if feed.topic not in found:
                self._end(feed)
                continue
            feed.snapshot, feed.read_at = found[feed.topic], self._clock()
            for state in feed.states.values():
                feed.kind.apply(feed.snapshot, state.name, state.data)
            self._snapshot_changed(feed)
            fresh.add(feed)
        return fresh

    async def _look(self, feeds: Sequence[Feed], fresh: set[Feed]) -> None:
        """Bring topics to what the presence table says, those just read to all that the database says too.

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
                if seen and (known is None or _tells_more(seen, known, is_fresh=feed in fresh)):
                    self._deliver_state(feed, seen)
                    # When he was last active may have been lost together with the event: read it next.
                    feed.read_at = feed.read_at if feed in fresh else 0.0
                elif known is not None:
                    feed.kind.apply(feed.snapshot, known.name, known.data)
                self._snapshot_changed(feed)

    async def _save_peaks(self, feeds: Iterable[Feed]) -> None:
        peaks = {feed.topic: feed.watched.peak for feed in feeds if feed.watched.peak > feed.peak_saved}
        if peaks:
            await self._store.save_peaks(peaks)
            for feed in feeds:
                feed.peak_saved = max(feed.peak_saved, peaks.get(feed.topic, 0))

    async def _save_seen(self, feeds: Iterable[Feed]) -> bool:
        """Write down who has come since the last time, so many at once. False: nobody. Raises StoreUnavailable."""
        seen: dict[Feed, list[int]] = {}
        most = WRITTEN_MAX_KEYS
        for feed in feeds:
            if most and (keys := feed.roll.unwritten(most)):
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
                    feed.roll.written(levels[feed.topic])
                else:
                    feed.roll.not_written(keys)
        return True

    def _end(self, feed: Feed) -> None:
        """The topic was deleted: its viewers are told so and not to come back."""
        for connection in feed.members():
            self._lose(connection, feed.topic, "gone")
        self._drop(feed)

    # Leases and viewer counts

    def _count_in(self, feed: Feed, connection: Connection) -> None:
        """Count the connection's viewer once it has been here for a while: who only looks in is none."""
        if not feed.has_viewers or connection.key == UNCOUNTED:
            return
        before = self._between.get((feed, connection.key))
        if before is not None and before.counts_at is not None:
            self._arriving[feed, connection] = before.counts_at
            self._arriving.move_to_end((feed, connection), last=False)
        elif self._count_after_seconds and before is None:
            self._arriving[feed, connection] = self._clock() + self._count_after_seconds
        else:
            self._count_now(feed, connection)
        self._end_between(feed, connection.key)

    async def count_arrived(self) -> None:
        """Count those who have been here long enough, and no more those who poll no more."""
        now = self._clock()
        while self._arriving and next(iter(self._arriving.values())) <= now:
            (feed, connection), _ = self._arriving.popitem(last=False)
            self._count_now(feed, connection)
        while self._between and next(iter(self._between.values())).until <= now:
            self._end_between(*next(iter(self._between)))

    def _end_between(self, feed: Feed, key: ViewerKey) -> None:
        between = self._between.pop((feed, key), None)
        if between is not None and between.counts_at is None and feed.roll.leave(key, between.viewer_id):
            self._note_change(feed)

    def _count_now(self, feed: Feed, connection: Connection) -> None:
        if feed.has_viewers and feed.roll.enter(connection.key, connection.watcher.viewer_id):
            self._note_change(feed)

    def _count_out(self, feed: Feed, connection: Connection) -> None:
        if self._arriving.pop((feed, connection), None) is not None or not feed.has_viewers:
            return
        if feed.roll.leave(connection.key, connection.watcher.viewer_id):
            self._note_change(feed)

    def _see_whether_counted(self, feed: Feed) -> None:
        """Count who is here, or nobody any more, as the topic's state says: a video that has ended has no viewers."""
        has_viewers = feed.kind.has_viewers(feed.snapshot)
        if has_viewers == feed.has_viewers:
            return
        if not has_viewers:
            for connection in feed.members():
                self._count_out(feed, connection)
            for _, key in [each for each in self._between if each[0] is feed]:
                self._end_between(feed, key)
        feed.has_viewers = has_viewers
        if has_viewers:
            for connection in feed.members():
                self._count_in(feed, connection)

    def _note_change(self, feed: Feed) -> None:
        self._changed.add(feed)
        self._change.set()

    async def _renewing(self) -> None:
        """Renew all leases every `renew_seconds`; tell changed viewer numbers sooner."""
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

        Not full: only those whose viewers changed. Topics that nobody has watched for a while are dropped.
        """
        changed, self._changed = self._changed, set()
        if full:
            idle = [
                feed
                for feed in self.feeds.values()
                if feed.is_ready
                and feed.empty_since is not None
                and not len(feed.roll)
                and self._clock() - feed.empty_since > LINGER_SECONDS
            ]
            for feed in idle:
                self._drop(feed)
            if idle:
                with contextlib.suppress(TableUnavailable):
                    await self._table.leave(self.id, [feed.topic for feed in idle])
        feeds = [feed for feed in (self.feeds.values() if full else changed) if self.feeds.get(feed.topic) is feed]
        counted = [feed for feed in feeds if feed.kind.is_counted]
        try:
            if full and self._clock() - self._entered_at >= self._lease_seconds / 3:
                await self._enter([feed.topic for feed in feeds if not feed.kind.is_counted])
                self._entered_at = self._clock()
            await self._renew(counted)
        except TableUnavailable:
            self._changed |= changed
            forgotten = self._clock() - self._renewed_at > self._lease_seconds
            for feed in counted:
                feed.elsewhere = 0 if forgotten else feed.elsewhere
                self._set_watched(feed, Watched(feed.elsewhere + len(feed.roll), feed.watched.peak))

    async def _enter(self, topics: Sequence[TopicName]) -> dict[TopicName, None]:
        """Renew the leases of topics whose viewers nobody counts: there may be one for each viewer here."""
        try:
            await self._table.enter(self.id, topics)
        except TableUnavailable:
            metrics.table_errors.inc()
            raise
        return {}

    async def _renew(self, feeds: Sequence[Feed]) -> None:
        """Renew the leases of topics with what is new about their viewers."""
        if not feeds:
            return
        shares: dict[TopicName, Share] = {}
        most = TOLD_MAX_KEYS
        for feed in feeds:
            share = shares[feed.topic] = feed.roll.share(peak=feed.watched.peak, most=most)
            most -= len(share.joined) + len(share.left)
        try:
            answers = await self._table.renew(self.id, shares)
        except TableUnavailable as error:
            for feed in feeds:
                feed.roll.not_told(shares[feed.topic])
            metrics.table_errors.inc()
            logger.debug("node %s: shared table away: %s", self.id, error)
            raise
        self._renewed_at = self._clock()
        for feed in feeds:
            answer = answers[feed.topic]
            feed.roll.told(answer)
            feed.elsewhere = max(0, answer.watched.count - shares[feed.topic].viewers)
            self._set_watched(feed, answer.watched)
            if self._neighbours is not None:
                self._neighbours.count(feed.topic, Watched(answer.watched.count - answer.abroad, answer.watched.peak))
            if feed.roll.has_news or not answer.is_swept:
                self._note_change(feed)

    def _set_watched(self, feed: Feed, watched: Watched) -> None:
        # A count that is no peak in the table's eyes is none: some may be counted twice, until all nodes have said whom
        # they have. Who is here, is here.
        watched = Watched(watched.count, max(watched.peak, feed.watched.peak, len(feed.roll)))
        if watched != feed.watched:
            feed.watched = watched
            feed.opening = b""
            if feed.totals is not None and feed.is_ready:
                feed.pending_viewers = True
                # While a crowd comes in, each would be told of each other: the more they are, the more can wait.
                self._flush_soon(feed, min(feed.rest_seconds * VIEWERS_REST, VIEWERS_REST_MAX_SECONDS))

    # Loops and the end

    async def heartbeat(self) -> None:
        """Write a sign of life to one in `HEARTBEAT_SECONDS` of the connections: each gets one in that time."""
        slot = self._beats = (self._beats + 1) % HEARTBEAT_SECONDS
        for number, connection in enumerate(list(self.connections.values())):
            if connection.slot == slot:
                connection.heartbeat()
            if number % SLICE_CONNECTIONS == SLICE_CONNECTIONS - 1:
                await asyncio.sleep(0)

    async def drain(self, *, window_seconds: float) -> None:
        """Send everybody to another node, evenly over the window, each told when to come back; then end the node."""
        self.is_draining = True
        waiting = list(self.connections.values())
        random.shuffle(waiting)
        retry_ms = int(window_seconds * 1000) + RETRY_MS
        made = frame("drain", {"retry_ms": retry_ms})
        ends = self._clock() + window_seconds
        for number, connection in enumerate(waiting):
            if connection.id in self.connections:
                self._part(connection, made, Closing.DRAIN)
            left = len(waiting) - number - 1
            if left and number % 50 == 49:
                await asyncio.sleep(max(0.0, ends - self._clock()) * 50 / (left + 50))
        await self.aclose()  # a renewal that is under way would enter the node again
        with contextlib.suppress(TableUnavailable):
            await self._table.leave(self.id, list(self.feeds))
        with contextlib.suppress(StoreUnavailable):
            while await self._save_seen(self.feeds.values()):
                pass
        logger.info("node %s left, %d connections drained", self.id, len(waiting))

    async def aclose(self) -> None:
        """End the node's tasks."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _every(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            # Jitter: the nodes of a site must not ask the database in step.
            await asyncio.sleep(seconds * random.uniform(0.9, 1.0))
            try:
                await step()
            except Exception:
                # A bug in one pass must not end deliveries for good.
                logger.exception("node %s: a pass failed", self.id)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run a task that ends with the node at the latest; its failure is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, (TopicGone, StoreUnavailable)):
            logger.error("node %s: %s failed", self.id, task.get_name(), exc_info=error)
