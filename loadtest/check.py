"""What each viewer has seen, and whether it is what the site promised. No I/O.

Called by `viewers` for each frame. A frame that thousands of viewers read is the same bytes, so it is parsed once and
becomes one object. To deliver it to a viewer costs a comparison of numbers and an append.

Ticks are tenths of a millisecond of the monotonic clock. A viewer who is late on purpose has `UNTIMED` for a tick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from loadtest.wire import Broken

KINDS = ("like", "celebrate", "support", "love", "insightful", "funny")
PERSONAL = frozenset(("hello", "reset", "drain", "bye", "ack", "error"))  # never the same bytes for two viewers
KNOWN_MAX = 4_096
UNTIMED = 0
TICKS_MAX = 500
"""Distinct ticks of one frame in a report. More are rounded up to milliseconds: matching them costs a step each."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A block with its meaning: an event, or the answer to a command (`ack`, `error`)."""

    name: str
    data: Mapping[str, Any]


def parse_event(block: bytes) -> StreamMessage | None:
    """Return the event of an event stream's block, None for a comment or an event without data. Raises Broken."""
    fields = fields_of(block)
    return StreamMessage(fields[0], _object(fields[1])) if fields else None


def fields_of(block: bytes) -> tuple[str, bytes] | None:
    """Return name and data of an event stream's block, None without data."""
    name, data = b"message", []
    for line in block.split(b"\n"):
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            data.append(value)
        elif key == b"event":
            name = value or b"message"
    return (name.decode(), b"\n".join(data)) if data else None


def parse_text(block: bytes) -> StreamMessage | None:
    """Return the message of a WebSocket text. Raises Broken."""
    message = _object(block)
    if "event" in message:
        data = message.get("data")
        return StreamMessage(str(message["event"]), data if isinstance(data, dict) else {})
    if "ack" in message or "error" in message:
        return StreamMessage("error" if "error" in message else "ack", message)
    return None


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Broken(f"not JSON: {text[:60]!r}") from None
    if not isinstance(value, dict):
        raise Broken(f"not a JSON object: {text[:60]!r}")
    return value


class LikeCycle:
    """Numbers the states of a video's likes, so that each like is a step of exactly one, for ever.

    `pool` viewers take turns. In round 0 each likes, in rounds 1 to 5 each changes the kind to the next, in round 6
    each takes the like back; round 7 is round 0 again. So totals may fall, but `position` only grows, and a viewer
    who has read a state of position p has seen the first p likes. In round 0 the position is the total.

    The numbers are exact while fewer than half as many steps as there are viewers in the pool have no answer.
    """

    def __init__(self, pool: int) -> None:
        self.pool = pool

    def step(self, number: int) -> tuple[int, str | None]:
        """Return who makes step `number` (from 0), and the kind; None: takes the like back."""
        kind = number // self.pool % 7
        return number % self.pool, KINDS[kind] if kind < 6 else None

    def position(self, kinds: Mapping[str, int], *, near: int) -> int:
        """Return the position of a state: the number of steps that lead to it.

        After 7 rounds the states come again. Of all positions with this state, the one nearest to `near` is returned.
        """
        counts = [kinds.get(kind, 0) for kind in KINDS]
        if counts[5]:
            # Somebody still has the last kind. So viewers without a like took it back, and viewers with the first kind
            # are a round further.
            place = 7 * (self.pool - sum(counts)) + 8 * counts[0]
            place += sum(number * count for number, count in enumerate(counts[1:], start=2))
        else:
            place = sum(number * count for number, count in enumerate(counts, start=1))
        cycle = 7 * self.pool
        return near + (place - near + cycle // 2) % cycle - cycle // 2


@dataclass(slots=True)
class Tally:
    """What went wrong, and what resets replaced, summed over viewers."""

    doubled: int = 0
    out_of_order: int = 0  # durable events
    went_back: int = 0  # like totals: an older state after a newer one
    resets: int = 0


@dataclass(slots=True)
class Sightings:
    """When things were seen, summed over viewers: for each thing the ticks, each with a number of viewers.

    `comments` by (seq, id); `likes` by (position before, position after).
    """

    comments: dict[tuple[int, str], Counter[int]] = field(default_factory=dict)
    likes: dict[tuple[int, int], Counter[int]] = field(default_factory=dict)

    def compact(self) -> Sightings:
        """Return the same, small enough to send and to match: ticks are rounded if there are too many."""
        return Sightings(
            {key: _compact(ticks) for key, ticks in self.comments.items()},
            {key: _compact(ticks) for key, ticks in self.likes.items()},
        )


def _compact(ticks: Counter[int]) -> Counter[int]:
    for step in (1, 10, 100):
        rounded: Counter[int] = Counter()
        for tick, viewers in ticks.items():
            rounded[tick + -tick % step] += viewers
        if len(rounded) <= TICKS_MAX:
            return rounded
    return rounded


class ViewedTopic:
    """What one viewer has seen of the topic."""

    __slots__ = ("epoch", "likes", "missing", "seq")

    def __init__(self) -> None:
        self.epoch = ""
        self.seq = -1  # -1: nothing yet
        self.missing: set[int] | None = None  # skipped seqs
        self.likes: LikesFrame | None = None

    def lost(self, top: int) -> int:
        """Return how many durable events up to seq `top` the viewer has not seen."""
        return max(0, top - self.seq) + sum(seq <= top for seq in self.missing or ())


class SharedFrame(Protocol):
    """What many viewers read."""

    def deliver(self, viewer: ViewedTopic, tick: int) -> None: ...

    def collect(self, into: Sightings) -> None:
        """Hand over who read it since the last call."""
        ...


class DurableFrame:
    """A durable event, known by its seq and, for a comment, its id."""

    __slots__ = ("_tally", "arrivals", "id", "seq")

    def __init__(self, seq: int, id: str, tally: Tally) -> None:
        self.seq = seq
        self.id = id
        self._tally = tally
        self.arrivals: list[int] = []

    def deliver(self, viewer: ViewedTopic, tick: int) -> None:
        seq = self.seq
        if seq == viewer.seq + 1:
            viewer.seq = seq
        else:
            self._misplaced(viewer)
        self.arrivals.append(tick)

    def _misplaced(self, viewer: ViewedTopic) -> None:
        """Take an event that is not the next one: it comes after a gap, fills a gap, or was seen before."""
        if self.seq > viewer.seq:
            viewer.missing = (viewer.missing or set()) | set(range(viewer.seq + 1, self.seq))
            viewer.seq = self.seq
            self._tally.out_of_order += 1
        elif viewer.missing and self.seq in viewer.missing:
            viewer.missing.remove(self.seq)
        else:
            self._tally.doubled += 1

    def collect(self, into: Sightings) -> None:
        if self.arrivals:
            into.comments.setdefault((self.seq, self.id), Counter()).update(self.arrivals)
            self.arrivals.clear()


class LikesFrame:
    """A state of the like totals."""

    __slots__ = ("_arrivals", "_tally", "kinds", "position", "total")

    def __init__(self, position: int, total: int, kinds: Mapping[str, int], tally: Tally) -> None:
        self.position = position
        self.total = total
        self.kinds = kinds
        self._tally = tally
        self._arrivals: dict[int, list[int]] = {}  # by the position that the viewer saw before

    def deliver(self, viewer: ViewedTopic, tick: int) -> None:
        before = viewer.likes
        viewer.likes = self
        if before is None or before is self:
            return
        if before.position <= self.position:
            arrivals = self._arrivals.get(before.position)
            if arrivals is None:
                arrivals = self._arrivals[before.position] = []
            arrivals.append(tick)
        else:
            self._tally.went_back += 1

    def collect(self, into: Sightings) -> None:
        for before, arrivals in self._arrivals.items():
            if arrivals:
                into.likes.setdefault((before, self.position), Counter()).update(arrivals)
                arrivals.clear()

    def equals(self, total: int, kinds: Mapping[str, int]) -> bool:
        return self.total == total and all(self.kinds.get(kind, 0) == kinds.get(kind, 0) for kind in KINDS)


class Checker:
    """Turns the blocks of one topic's viewers into frames. The frames keep who has read them until `collect`.

    `known` maps bytes that were read before to their frames. It may be used for viewers that are between two blocks.
    """

    def __init__(self, topic: str, cycle: LikeCycle) -> None:
        self.topic = topic
        self.cycle = cycle
        self.tally = Tally()
        self.known: dict[bytes, Sequence[SharedFrame]] = {}
        self._of_block: dict[bytes, SharedFrame | None] = {}
        self._durable: dict[tuple[int, str], DurableFrame] = {}
        self._likes: list[LikesFrame] = []
        self._near = 0  # the highest position so far

    def read(self, block: bytes, parse: Callable[[bytes], StreamMessage | None]) -> SharedFrame | StreamMessage | None:
        """Return the frame of a block, or the message if it is for one viewer; None: nothing to check.

        Raises Broken.
        """
        if block in self._of_block:
            return self._of_block[block]
        message = parse(block)
        if message and message.name in PERSONAL:
            return message
        try:
            frame = self._frame(message) if message and message.data.get("topic") == self.topic else None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Broken(f"an event that is not as documented: {block[:200]!r}") from None
        self._of_block[block] = frame
        return frame

    def _frame(self, message: StreamMessage) -> SharedFrame | None:
        if message.name == "likes":
            return self._state(message.data)
        if "seq" in message.data:
            id = message.data["comment"]["id"] if message.name == "comment" else ""
            return self._event(message.data["seq"], id)
        return None

    def _event(self, seq: int, id: str) -> DurableFrame:
        if (known := self._durable.get((seq, id))) is None:
            known = self._durable[seq, id] = DurableFrame(seq, id, self.tally)
        return known

    def _state(self, likes: Mapping[str, Any]) -> LikesFrame:
        position = self.cycle.position(likes["kinds"], near=self._near)
        if position // self.cycle.pool > self._near // self.cycle.pool:
            # A new round. Soon the same bytes mean a later position, so forget them.
            self.known.clear()
            self._of_block.clear()
        self._near = max(self._near, position)
        state = LikesFrame(position, likes["total"], likes["kinds"], self.tally)
        self._likes.append(state)
        return state

    def welcome(self, viewer: ViewedTopic, seq: int, snapshot: Mapping[str, Any] | None, tick: int) -> None:
        """Take a `hello` or a `reset`. Without a snapshot the viewer goes on where it was: what it missed follows.

        A snapshot replaces what the viewer had. Its comments count as seen; what it jumps over is missing.
        Raises Broken when the snapshot is not as documented.
        """
        if snapshot is None:
            viewer.seq = seq if viewer.seq < 0 else viewer.seq
            return
        try:
            if viewer.seq >= 0:
                self._replace(viewer, seq, {comment["seq"]: comment["id"] for comment in snapshot["comments"]}, tick)
            viewer.seq = seq
            self._state(snapshot["likes"]).deliver(viewer, tick)
        except (KeyError, TypeError) as error:
            raise Broken(f"a snapshot that is not as documented: {error!r}") from None

    def _replace(self, viewer: ViewedTopic, seq: int, comments: Mapping[int, str], tick: int) -> None:
        self.tally.resets += 1
        self.tally.out_of_order += seq < viewer.seq
        missing = (viewer.missing or set()) | set(range(viewer.seq + 1, seq + 1))
        for found in missing & comments.keys():
            self._event(found, comments[found]).arrivals.append(tick)
        viewer.missing = missing - comments.keys()

    def collect(self) -> Sightings:
        """Return what was seen since the last call. Call it about once a second."""
        sightings = Sightings()
        frames: list[SharedFrame] = [*self._durable.values(), *self._likes]
        for frame in frames:
            frame.collect(sightings)
        if max(len(self.known), len(self._of_block), len(frames)) > KNOWN_MAX:
            # All together: what a frame saw would be lost if it were known, but no longer collected.
            self.known.clear()
            self._of_block.clear()
            self._durable.clear()
            self._likes.clear()
        return sightings.compact()
