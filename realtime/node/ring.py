"""The newest durable events of a topic, as a node keeps them for those who come back (realtime.node.openings).

Hop: beside the last but one, as a part of realtime.node.feed. What an event takes back is gone from here too, as it is
from the event log (realtime.log.things).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from realtime import metrics
from realtime.events import Frame, compact_json

ENCODINGS = 3
"""A frame holds its body, and what readers of both protocols got of it once one of each has come back."""
FRAME_BYTES = 600
"""What it takes beside that: objects, id, thing."""


def size_of(frame: Frame) -> int:
    """Return the bytes of memory that a kept frame takes at most."""
    return ENCODINGS * len(frame.body) + FRAME_BYTES


class Kept:
    """What the rings of a node take together, `bytes_max` at most. With many busy topics a node keeps less of each."""

    def __init__(self, bytes_max: int = sys.maxsize) -> None:
        self.bytes = 0
        self._bytes_max = bytes_max
        self._rings: set[Ring] = set()

    def count(self, ring: Ring, more: int) -> None:
        """Note that a ring takes so many bytes more, or fewer."""
        self.bytes += more
        if ring.bytes:
            self._rings.add(ring)
        else:
            self._rings.discard(ring)
        if self.bytes > self._bytes_max and more > 0:
            self._shorten()

    def _shorten(self) -> None:
        """Forget the older half of each ring that is not small beside the others: a quarter of all at least. So it is
        seldom that all rings are looked at.
        """
        least = self.bytes / len(self._rings) / 2
        for ring in [ring for ring in self._rings if ring.bytes >= least]:
            ring.shorten()
        metrics.kept_shortened.inc()


class Ring:
    """Frames as a later reader gets them, in the order of their seq; of more than `most` the newest.

    Beside each frame is the thing whose content it holds. A thousand deletions may come at once, for a thousand frames:
    to search the frames themselves takes a second, which nobody may wait. `bytes`: what it takes (`size_of`).
    """

    def __init__(self, most: int, kept: Kept) -> None:
        self.bytes = 0
        self._most = most
        self._kept = kept
        self._frames: deque[Frame] = deque()
        self._things: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def append(self, frame: Frame, thing: str = "") -> None:
        if not self._most:
            return
        if len(self._frames) == self._most:
            self._drop(1)
        self._frames.append(frame)
        self._things.append(thing)
        self._count(size_of(frame))

    def clear(self) -> None:
        self._frames.clear()
        self._things.clear()
        self._count(-self.bytes)

    def shorten(self) -> None:
        """Forget the older half."""
        self._drop((len(self._frames) + 1) // 2)

    def _drop(self, number: int) -> None:
        for _ in range(number):
            self._things.popleft()
            self._count(-size_of(self._frames.popleft()))

    def _count(self, more: int) -> None:
        self.bytes += more
        self._kept.count(self, more)

    def change(self, thing: str, data: Mapping[str, Any], *, gone_by: str = "") -> None:
        """Have the frames that hold the thing say what an event says, each with its own seq and time.

        `gone_by`: the name of the event that takes the thing back. Else they keep their names.
        """
        place, more = -1, 0
        for _ in range(self._things.count(thing)):
            place = self._things.index(thing, place + 1)
            kept = self._frames[place]
            held = orjson.loads(kept.body)
            body = compact_json({**data, "seq": held["seq"], "at_ms": held["at_ms"]})
            self._frames[place] = changed = Frame(gone_by or kept.name, body, id=kept.id)
            more += size_of(changed) - size_of(kept)
            if gone_by:
                self._things[place] = ""
        self._count(more)  # not sooner: it may shorten the ring
