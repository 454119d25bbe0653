"""Makes what a connection reads first of its topics, and the ids that say how far it has read them all.

Hop: the last but one, when a viewer comes. A client that was cut off comes back with the last id that it has read
(`Last-Event-ID`, or `after`), and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from realtime import metrics
from realtime.events import Frame, NodeId, Position, TopicName, event_id, parse_event_id
from realtime.node.connections import RETRY_MS, Connection, public_id
from realtime.node.feed import Feed

# A connection gets this much at once, of its first topics or of what it has missed. It gets more when it has read that.
# So a viewer that asks for much never reaches the bound of what waits for a reader (realtime.edge.bound).
OPENING_MAX_BYTES = 128 * 1024


@dataclass(slots=True)
class Opening:
    """What a connection reads first of a topic: its part of `hello`, `{"epoch", "seq", "snapshot"}`, then frames."""

    topic: TopicName
    part: bytes
    frames: list[Frame] = field(default_factory=list)
    before: str = ""  # the position before the frames, as an id; "": a client cannot go on from it

    @property
    def size(self) -> int:
        return len(self.part) + sum(len(made.body) for made in self.frames)

    def subscribed(self) -> list[Frame]:
        """Return the frames by which an open connection gets the topic."""
        head = b'{"topic":"%b",' % self.topic.encode()
        return [Frame("subscribed", head + self.part[1:], id=self.before), *self.frames]


def opening(feed: Feed, after: Position | None) -> Opening:
    """Return what a viewer reads first of a topic that it has followed up to `after` (None: not at all)."""
    if after is None or not feed.kind.kept_events:
        before = event_id(feed.topic, feed.position) if feed.kind.kept_events else ""
        return Opening(feed.topic, feed.opening_part(), before=before)
    made = Opening(feed.topic, b'{"epoch":"%b","seq":%d,"snapshot":null}' % (feed.epoch.encode(), feed.seq))
    missed = feed.seq - after.seq
    if after.epoch == feed.epoch and 0 <= missed <= len(feed.ring):
        made.frames = list(feed.ring)[len(feed.ring) - missed :]
        made.frames += feed.newest_state()
        made.before = event_id(feed.topic, after)
        if made.size > OPENING_MAX_BYTES:
            metrics.resets.labels("far_behind").inc()
            made.frames, made.before = [feed.reset_frame("far_behind")], ""
        return made
    if after.epoch == feed.epoch:
        reason = "too_old" if missed > 0 else "unknown_position"
    else:
        reason = "database_changed" if after.epoch else "unknown_position"
    metrics.resets.labels(reason).inc()
    made.frames = [feed.reset_frame(reason)]
    return made


def hello(node: NodeId, connection: Connection, openings: Sequence[Opening], *, sample_ms: int) -> list[Frame]:
    """Return the frames that open a connection, in order. `sample_ms`: how often it acknowledges, if it is sampled."""
    topics = b",".join(b'"%b":%b' % (opening.topic.encode(), opening.part) for opening in openings)
    body = b'{"node":"%b","connection":"%b","topics":{%b},"retry_ms":%d%b}' % (
        node.encode(),
        public_id(connection.id, node).encode(),
        topics,
        RETRY_MS,
        b',"sample":{"every_ms":%d}' % sample_ms if connection.is_sampled else b"",
    )
    frames = [made for opening in openings for made in opening.frames]
    begun = {opening.topic: opening.before for opening in openings if opening.before}
    first = Frame("hello", body, id=",".join(begun.values()))
    return [first, *(frames if connection.name_all is None else _named(frames, begun))]


class Ids:
    """Makes the ids of a connection name all its topics, while several of them have positions.

    `set_fds` is called with a connection for which that has changed.
    """

    def __init__(self, feeds: Mapping[TopicName, Feed], *, set_fds: Callable[[Connection], None]) -> None:
        self._feeds = feeds
        self._set_fds = set_fds

    def look_at_topics(self, connection: Connection) -> None:
        """The connection has other topics than before."""
        if not connection.has_ids_of_all:
            return
        feeds = [feed for topic in connection.topics if (feed := self._feeds.get(topic)) and feed.kind.kept_events]
        is_named = len(feeds) > 1
        if is_named != (connection.name_all is not None):
            connection.name_all = partial(self._name_all, connection) if is_named else None
            self._set_fds(connection)

    def _name_all(self, connection: Connection, frames: Sequence[Frame]) -> list[Frame]:
        feeds = [feed for topic in connection.topics if (feed := self._feeds.get(topic)) is not None]
        return _named(frames, {feed.topic: id for feed in feeds if (id := _written(feed))})


def _named(frames: Iterable[Frame], positions: dict[TopicName, str]) -> list[Frame]:
    """Return the frames as one connection gets them. If it is cut after any of them, it can go on in all its topics.

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


def _written(feed: Feed) -> str:
    """The position up to which all members have got the events, as an id; "" if there is no position."""
    if not feed.kind.kept_events:
        return ""
    waiting = next((made for out in feed.sending.outbox for made in out.durable if made.id), None)
    if waiting is None:
        return event_id(feed.topic, feed.position)
    found = None if waiting.name == "reset" else parse_event_id(waiting.id)
    return event_id(feed.topic, Position(found[1].epoch, found[1].seq - 1)) if found else ""
