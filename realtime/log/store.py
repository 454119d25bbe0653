"""What a frontend node asks of the database: plain data, and the interface that realtime.log.database implements.

Hop: beside the path. A node reads a topic once when its first viewer comes, and its head every 2 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime.events import Counters, Durable, Epoch, TopicName
from realtime.identity import Identity
from realtime.kinds import Rechecks, Review


class TopicGone(Exception):
    """The topic does not exist, or this viewer may not read it. Both look the same from outside."""


class StoreUnavailable(Exception):
    """The database did not answer in time, or takes no writes. `reason`: "away", "read-only" or "full"."""

    def __init__(self, text: str = "", *, reason: str = "away") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Head:
    """The top of a topic: its last durable event and the version of its counters."""

    seq: int
    version: int


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of topics, and the epoch of the database: None if the server that answered does not know it."""

    of: Mapping[TopicName, Head]
    epoch: Epoch | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a look for changes has seen: the transactions that were over, as a snapshot of PostgreSQL. "": none.

    `at`: the time of the look, by the clock of the database.
    """

    epoch: Epoch | None = None
    snapshot: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """The topics that may have changed since a mark, or were deleted. `is_all`: any topic may have.

    `until`: the mark for the next look.
    """

    until: Mark
    topics: frozenset[TopicName] = frozenset()
    is_all: bool = False


@dataclass(slots=True)
class Loaded:
    """A topic as the database has it, read in one snapshot. `log` are its newest durable events, oldest first.

    `counters` is None for a topic that has none.
    """

    head: Head
    snapshot: dict[str, Any]
    counters: Mapping[str, int] | None = None
    viewers_peak: int = 0
    log: list[Durable] = field(default_factory=list)
    epoch: Epoch = Epoch("")  # noqa: RUF009  (a text)

    def whole_log(self) -> list[Durable]:
        """Return the events of the log that lead to the head without a hole. Old ones go by their time, which need not
        be the order of their seq (realtime.log.retention).
        """
        first = len(self.log)
        while first and self.log[first - 1].seq == self.head.seq - (len(self.log) - first):
            first -= 1
        return self.log[first:]


class Store(Protocol):
    """The database, from a node's point of view. Each call may raise StoreUnavailable."""

    async def load(self, topic: TopicName) -> Loaded:
        """Return the topic. Raises TopicGone."""
        ...

    async def changes(self, since: Mark) -> Changes:
        """Return which topics of the site have another head since a look. No change is left out, but a topic may be
        named again.
        """
        ...

    async def heads(self, known: Mapping[TopicName, Head]) -> Heads:
        """Return the heads of the topics that exist. `known`: the head that the caller has of each.

        A head is below the known one only if it has certainly gone back.
        """
        ...

    async def newest_counters(self, topics: Sequence[TopicName]) -> Mapping[TopicName, Counters]:
        """Return the counters and their version, both of one moment."""
        ...

    async def events_after(self, topic: TopicName, seq: int, *, limit: int) -> Sequence[Durable]:
        """Return up to `limit` durable events with a greater seq, in order."""
        ...

    async def snapshots(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        """Return the snapshots of those topics that exist. They are of one kind, without a log."""
        ...

    async def review(self, identities: Sequence[Identity]) -> Review:
        """Look again at identified connections."""
        ...

    async def rechecks(self, since: str) -> Rechecks:
        """Return whose identities may have changed since a look (`Rechecks.until`). "": anybody's."""
        ...

    async def save_last_active(self, at_ms: Mapping[str, int]) -> None:
        """Keep when viewers were last active."""
        ...

    async def save_seen(self, seen: Mapping[TopicName, Sequence[int]]) -> Mapping[TopicName, int]:
        """Keep the keys of viewers that topics have had. Keys that are kept already change nothing.

        Returns, for each topic, the level of the sample that is kept (realtime.table.counting).
        """
        ...

    async def save_peaks(self, peaks: Mapping[TopicName, int]) -> None:
        """Keep the highest number of viewers of each topic. A lower number changes nothing."""
        ...
