"""What a frontend node asks of the database: plain data, and the interface that realtime.log.database implements.

Hop: beside the path of a like. A node reads a topic once when its first viewer comes, and its head every 2 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime.events import Durable, Epoch, TopicName, Totals
from realtime.node.connections import Watcher


class TopicGone(Exception):
    """There is no such topic, or it is not for this viewer: the two look the same from outside."""


class StoreUnavailable(Exception):
    """The database did not answer in time, or takes no writes. `reason`: "away", "read-only" or "full"."""

    def __init__(self, text: str = "", *, reason: str = "away") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch a topic. `staff` False: these viewers and nobody else, not even staff."""

    public: bool = False
    viewer_ids: frozenset[str] = frozenset()
    staff: bool = True

    def allows(self, topic: TopicName, watcher: Watcher) -> bool:
        """Whether the watcher may read the topic now. A ticket gives nothing that its viewer has not: less, it is good
        for its topics only.
        """
        if self.public:
            return True
        if not watcher.viewer_id or (watcher.topics is not None and topic not in watcher.topics):
            return False
        return (self.staff and watcher.is_staff) or watcher.viewer_id in self.viewer_ids


@dataclass(frozen=True, slots=True)
class Head:
    """The top of a topic: its last durable event and the version of its totals."""

    seq: int
    version: int


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of topics, and the epoch of the database; None where who answered cannot tell it."""

    of: Mapping[TopicName, Head]
    epoch: Epoch | None = None


@dataclass(slots=True)
class Loaded:
    """A topic as the database has it, read in one snapshot. `log` are its newest durable events, oldest first.

    `likes` None: a topic without totals.
    """

    head: Head
    snapshot: dict[str, Any]
    likes: Mapping[str, int] | None = None
    viewers_peak: int = 0
    log: list[Durable] = field(default_factory=list)
    epoch: Epoch = Epoch("")  # noqa: RUF009  (a text)


@dataclass(frozen=True, slots=True)
class Review:
    """What has changed about watchers since they came.

    `signed_out`: those who would not be recognized any more: signed out, banned, a new password. `hidden`: the ids of
    the viewers among them who do not want to be seen online.
    """

    signed_out: frozenset[Watcher] = frozenset()
    hidden: frozenset[str] = frozenset()


class TopicKind(Protocol):
    """What the owner of a topic prefix registers: how its topics are read, changed by events, and opened to whom.

    A kind inherits from this; what it does not say is as for a video.
    """

    prefix: str
    is_logged: bool = True
    """A topic has a row in the event log from the start: without one it is gone. Else the row comes with the first
    durable event, and a topic is there when `load` says so."""
    is_counted: bool = True
    """Has likes and viewers."""
    is_inbox: bool = False
    """The topic is one viewer's own, `<prefix>:<viewer id>`: who watches it is online (realtime.node.presence). Nobody
    else comes back to it, so its events are not read with it: who missed some starts again from the snapshot."""
    is_presence: bool = False
    """The topic tells whether a viewer is online, `<prefix>:<viewer id>`: its state is in the presence table. Its
    snapshot holds as `kept` what the database keeps of it: `{"is_hidden", "last_active_ms"}`."""
    kept_events: int = 1_000
    """How many durable events a node keeps for those who come back; 0: there are no durable events."""

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        """Return the topic's snapshot, without likes and viewers; None: no such topic. In a database thread."""
        ...

    def load_all(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        """Return the snapshots of several topics, those that are gone left out. In a database thread."""
        return {topic: snapshot for topic in topics if (snapshot := self.load(topic)) is not None}

    def likes(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        """Return the like totals by kind of each topic that is counted, in one query. In a database thread."""
        return {}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        """Change the snapshot as the event says: it then equals one loaded after the event."""
        ...

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        """Return what viewers read of the snapshot."""
        ...

    def has_viewers(self, snapshot: Mapping[str, Any]) -> bool:
        """Whether those who are here now count as viewers, in the number, its peak and the number of all."""
        return self.is_counted

    def access(self, snapshot: Mapping[str, Any]) -> Access: ...


class Store(Protocol):
    """The database, from a node's point of view. Each call may raise StoreUnavailable."""

    async def load(self, topic: TopicName) -> Loaded:
        """Return the topic. Raises TopicGone."""
        ...

    async def heads(self, known: Mapping[TopicName, Head]) -> Heads:
        """Return the heads of the topics, those that are gone left out. `known`: what the asker has of each.

        Below what is known is only what has gone back for certain.
        """
        ...

    async def newest_totals(self, topics: Sequence[TopicName]) -> Mapping[TopicName, Totals]:
        """Return the like totals with the version they belong to: both of one moment."""
        ...

    async def events_after(self, topic: TopicName, seq: int, *, limit: int) -> Sequence[Durable]:
        """Return up to `limit` durable events with a greater seq, in order."""
        ...

    async def snapshots(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        """Return the snapshots of topics of one kind without a log, those that are gone left out."""
        ...

    async def review(self, watchers: Sequence[Watcher]) -> Review:
        """Look again at those who said who they are."""
        ...

    async def save_last_active(self, at_ms: Mapping[str, int]) -> None:
        """Keep when viewers were last active."""
        ...

    async def save_seen(self, seen: Mapping[TopicName, Sequence[int]]) -> Mapping[TopicName, int]:
        """Keep the keys of viewers that topics have had; ones that are kept change nothing.

        Returns, for each topic, the level of the sample that is kept (realtime.table.counting).
        """
        ...

    async def save_peaks(self, peaks: Mapping[TopicName, int]) -> None:
        """Keep the highest number of viewers of each topic; a lower one than is kept changes nothing."""
        ...
