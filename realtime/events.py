"""What travels from the backend to the viewers: the events, their wire form, and the frames that viewers read.

Hop: all of them. `Event`s are built by apps (realtime.log.writer), cross the dispatcher as
plain JSON (`to_wire`, parsed only by `from_wire`), and become `Frame`s, encoded once per node for all viewers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NewType

import orjson

from realtime.stamps import Journey
from realtime.websocket import websocket_frame

TopicName = NewType("TopicName", str)
NodeId = NewType("NodeId", str)
ConnectionId = NewType("ConnectionId", str)
Epoch = NewType("Epoch", str)

ID = r"[A-Za-z0-9-]{1,64}"
POSITION = r"@(?:([A-Za-z0-9_-]{1,12})\.)?([0-9]{1,18})"
_EVENT_ID = re.compile(rf"([a-z]{{1,32}}:{ID}){POSITION}", re.ASCII)
BURST_TTL_MS = 5_000
MS_MAX = 253_402_300_799_000  # the last moment of the year 9999


def now_ms() -> int:
    """Return the time of day as events carry it: milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody has followed a topic: up to `seq`, in the history that `epoch` names (realtime.log.epoch).

    With an unknown epoch ("") nobody can go on from the position.
    """

    epoch: Epoch
    seq: int


UNKNOWN = Position(Epoch(""), 0)


@dataclass(frozen=True, slots=True)
class Durable:
    """A row of the event log. `body` is the JSON object viewers receive; it is encoded once, at the backend.

    `seq` is its place in the topic: 1, 2, 3 … without a hole. `thing`: whose content it holds
    (realtime.kinds.TopicKind.thing), if it was read from the log.
    """

    topic: TopicName
    seq: int
    name: str
    body: bytes
    thing: str = ""

    @classmethod
    def of(cls, topic: TopicName, *, seq: int, name: str, at_ms: int, data: Mapping[str, Any]) -> Durable:
        return cls(topic, seq, name, orjson.dumps({"topic": topic, "seq": seq, "at_ms": at_ms, **data}))


@dataclass(frozen=True, slots=True)
class Counters:
    """The counter of a topic, by kinds of rows. Its numbers are absolute: the highest `version` wins, and a reader may
    skip any others.
    """

    topic: TopicName
    version: int
    kinds: Mapping[str, int]
    names: Sequence[str] = ()
    at_ms: int = 0  # time of the oldest change in it; 0: read from the database, not caused by a change

    @property
    def total(self) -> int:
        return sum(self.kinds.values())

    def over(self, older: Counters) -> Counters:
        """Return this newer state together with the names and the oldest change of `older`."""
        names = tuple(dict.fromkeys((*self.names, *older.names)))[:NAMES_MAX]
        at_ms = min(self.at_ms, older.at_ms) if self.at_ms and older.at_ms else self.at_ms or older.at_ms
        return Counters(self.topic, self.version, self.kinds, names, at_ms)


@dataclass(frozen=True, slots=True)
class Burst:
    """Acts that are only counted: summed up, stored nowhere, worth nothing `BURST_TTL_MS` after `at_ms`."""

    topic: TopicName
    counts: Mapping[str, int]
    at_ms: int

    def plus(self, other: Burst) -> Burst:
        counts = dict(self.counts)
        for kind, count in other.counts.items():
            counts[kind] = counts.get(kind, 0) + count
        return Burst(self.topic, counts, min(self.at_ms, other.at_ms))


@dataclass(frozen=True, slots=True)
class State:
    """A named state of a topic that no row keeps, like who is online. For each name the highest `version` wins.

    `data` is what viewers read, without `topic`.
    """

    topic: TopicName
    version: int
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that is only true for a moment, such as "is typing": stored nowhere, worthless after `expires_at_ms`.

    `key` says what it is about. Of several with the same name and key only the newest matters. `data` is as in State.
    """

    topic: TopicName
    name: str
    key: str
    data: Mapping[str, Any]
    expires_at_ms: int


Event = Durable | Counters | Burst | State | Signal
NAMES_MAX = 3
MERGED = {"t": 2, "b": 2, "s": 3, "e": 4}  # how many fields of the wire form, from its letter on, name the subject


def to_wire(event: Event) -> list[Any]:
    """Return the event as a JSON-able list: its class's letter, then its fields in order."""
    match event:
        case Durable():
            return ["d", event.topic, event.seq, event.name, event.body.decode()]
        case Counters():
            return ["t", event.topic, event.version, dict(event.kinds), list(event.names), event.at_ms]
        case Burst():
            return ["b", event.topic, dict(event.counts), event.at_ms]
        case State():
            return ["s", event.topic, event.name, event.version, dict(event.data)]
        case Signal():
            return ["e", event.topic, event.name, event.key, dict(event.data), event.expires_at_ms]


# What makes an event of the fields after the letter, and the types of all fields. A `match` takes three times as long,
# for each event on each node.
_FORMS: Mapping[str, tuple[Callable[..., Event], tuple[type, ...]]] = {
    "d": (lambda topic, seq, name, body: Durable(topic, seq, name, body.encode()), (str, str, int, str, str)),
    "t": (
        lambda topic, version, kinds, names, at_ms: Counters(topic, version, kinds, tuple(names), at_ms),
        (str, str, int, dict, list, int),
    ),
    "b": (Burst, (str, str, dict, int)),
    "s": (lambda topic, name, version, data: State(topic, version, name, data), (str, str, str, int, dict)),
    "e": (Signal, (str, str, str, str, dict, int)),
}


def from_wire(item: object) -> Event | None:
    """Return the event of one wire item, or None for an event of a newer version. This is the only parser of the wire.

    Raises ValueError for an item that no version of this program has written.
    """
    if isinstance(item, list) and item and isinstance(item[0], str):
        if (form := _FORMS.get(item[0])) is None:
            return None
        make, types = form
        if len(item) == len(types) and all(map(isinstance, item, types)):
            return make(*item[1:])
    raise ValueError("not an event of the wire")


def coalesce(events: Iterable[Event]) -> list[Event]:
    """Return the same news in fewer events: one event for each thing (`merge_key`).

    Durable events stay as they are, in order.
    """
    durable: list[Event] = []
    merged: dict[tuple[str, ...], Event] = {}
    for event in events:
        if isinstance(event, Durable):
            durable.append(event)
            continue
        key = merge_key(to_wire(event))
        assert key is not None
        merged[key] = _merged(merged[key], event) if key in merged else event
    return [*durable, *merged.values()]


def merge_key(item: Sequence[Any]) -> tuple[str, ...] | None:
    """Return what an event in wire form is about, so that a later event can replace it. None: no event can."""
    size = MERGED.get(item[0])
    key = tuple(item[:size])
    return key if size == len(key) and all(isinstance(part, str) for part in key) else None


def _merged(known: Event, other: Event) -> Event:
    match known, other:
        case Counters(), Counters():
            return newest(known, other)
        case Burst(), Burst():
            return known.plus(other)
        case State(), State():
            return other if other.version >= known.version else known
    return other


def newest(known: Counters | None, other: Counters) -> Counters:
    """Return the newer of two states, with the names and the oldest change of both."""
    if known is None:
        return other
    return other.over(known) if other.version >= known.version else known.over(other)


@dataclass(slots=True)
class Frame:
    """One event as viewers read it, encoded at most once per protocol, whatever the number of viewers.

    `sse` is a whole HTTP chunk, `websocket` a whole unmasked text frame (RFC 6455, section 5.2). A live frame has a
    `journey` until it is written for the first time; then its hops are part of it.
    """

    name: str
    body: bytes
    id: str = ""
    journey: Journey | None = field(default=None, repr=False, compare=False)
    counted: int = 0  # number of a counter's changes that are in this frame
    _sse: bytes = field(default=b"", repr=False)
    _websocket: bytes = field(default=b"", repr=False)

    def write_hops(self, hops: bytes) -> None:
        """Write the hops into the body, which is an object with something in it. Before the first encoding."""
        self.body = b'%b,"hops":%b}' % (self.body[:-1], hops)
        self.journey = None

    @property
    def text(self) -> bytes:
        """The event in the event stream format, without HTTP's chunk around it. To cut it out costs less
        than to make it again for each viewer.
        """
        chunk = self.sse
        return chunk[chunk.index(b"\n") + 1 : -2]

    @property
    def sse(self) -> bytes:
        if not self._sse:
            # The body is JSON on one line.
            first = f"id: {self.id}\nevent: {self.name}\ndata: " if self.id else f"event: {self.name}\ndata: "
            self._sse = http_chunk(first.encode() + self.body + b"\n\n")
        return self._sse

    @property
    def message(self) -> bytes:
        """The event as a WebSocket message, without the frame around it."""
        return b'{"event":"%b","data":%b}' % (self.name.encode(), self.body)

    @property
    def websocket(self) -> bytes:
        if not self._websocket:
            self._websocket = websocket_frame(self.message)
        return self._websocket


def durable_frame(event: Durable, epoch: Epoch) -> Frame:
    return Frame(event.name, event.body, id=event_id(event.topic, Position(epoch, event.seq)))


def compact_json(data: object) -> bytes:
    """Return the data as JSON that may be kept for long. What orjson returns holds a block of 4 KB, or of 8."""
    return bytes(memoryview(orjson.dumps(data)))


def frame(name: str, data: Mapping[str, Any], *, id: str = "", journey: Journey | None = None) -> Frame:
    return Frame(name, orjson.dumps(data), id=id, journey=journey)


def event_id(topic: TopicName, position: Position) -> str:
    return f"{topic}@{position.epoch}.{position.seq}" if position.epoch else f"{topic}@{position.seq}"


def parse_event_id(text: str) -> tuple[TopicName, Position] | None:
    """Return the topic and the position that `event_id` wrote, or None if we did not write the id.

    Old ids have no epoch: `<topic>@<seq>`.
    """
    found = _EVENT_ID.fullmatch(text)
    if found is None:
        return None
    topic, epoch, seq = found.groups("")
    return TopicName(topic), Position(Epoch(epoch), int(seq))


def parse_event_ids(text: str) -> dict[TopicName, Position]:
    """Return the positions that a `Last-Event-ID` names, one for each topic. An id that is not ours names none."""
    found = [parse_event_id(part) for part in text.split(",")]
    return {} if None in found else dict(position for position in found if position is not None)


def position_in(topic: TopicName, after: object) -> Position | None:
    """Return the position in the topic that a client's `after` names, None for none.

    A bare seq (the old form, without epochs) has an unknown epoch. So has a position in another topic. Raises
    ValueError.
    """
    if after is None:
        return None
    if isinstance(after, int) and not isinstance(after, bool) and 0 <= after < 2**63:
        return UNKNOWN
    found = parse_event_id(after) if isinstance(after, str) else None
    if found is None:
        raise ValueError("after looks like <topic>@<epoch>.<seq>")
    return found[1] if found[0] == topic else UNKNOWN


# A comment line without a block of its own, because some clients make an empty message of every blank line.
HEARTBEAT = b": hb\n"


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
