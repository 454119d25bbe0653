"""Stamps travel beside a batch of events, and say when it passed each hop of the path. docs/latency.md says why.

Hop: all of them. The publisher begins the stamps, each dispatcher and relay adds its own, the node reads them. They
are a flat JSON object: `region`, where the batch was born, and moments in epoch milliseconds: `published` (by the
backend, after its commit), `dispatched` (sent to the nodes), `relayed` (taken by the relay of another region). Only the
event itself knows when it was received: that is its `at_ms`. `wire` is the version of the forms in which the events are
written (realtime.events.from_wire): processes of an old and a new release run side by side for a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

MOMENTS = ("published", "dispatched", "relayed")
HOPS = {"published": "committed", "dispatched": "dispatched", "relayed": "relayed", "node": "node"}
"""What viewers and figures call the hop that a moment ends. `written` and `seen` follow on them."""
LATEST_MS = 1 << 48  # far beyond any clock: a greater number is no time
REGION_MAX_CHARACTERS = 64

WIRE_VERSION = 1
"""Raise it when a wire form changes so that an older process would misread it, and let the new release speak both. A
new letter is no such change: a process that does not know the letter leaves the event out.
"""
WIRE_SPOKEN = (1,)

Stamps = dict[str, int | str]
CountPlace = tuple[list[float], int, float]
"""Where a histogram counts something: its counts and their sum, the place of a count, what that adds to the sum."""


def is_spoken(stamps: object) -> bool:
    """Whether this process can read the events that come with the stamps. Without a version it is the first one."""
    return not isinstance(stamps, dict) or stamps.get("wire", 1) in WIRE_SPOKEN


def clean(stamps: object) -> Stamps:
    """Return the valid part of what came as stamps, because input from others may hold anything."""
    if not isinstance(stamps, dict):
        return {}
    found: Stamps = {name: stamps[name] for name in MOMENTS if _is_moment(stamps.get(name))}
    if isinstance(wire := stamps.get("wire"), int):
        found["wire"] = wire
    region = stamps.get("region")
    if isinstance(region, str) and region.isidentifier() and len(region) <= REGION_MAX_CHARACTERS:
        found["region"] = region
    return found


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < LATEST_MS


@dataclass(frozen=True, slots=True)
class Passage:
    """When a batch passed each hop (a name of `HOPS`) up to this node. `region`: where it was born.

    `places` and `texts` keep what many events of a batch have in common: where their hops are counted, by event and
    `at_ms` (realtime.metrics.HopSeconds.count), and their hops as JSON, by `at_ms`, moment of writing and region.
    """

    region: str
    moments: Mapping[str, int]
    places: dict[tuple[str, int], Sequence[CountPlace]] = field(default_factory=dict, repr=False, compare=False)
    texts: dict[tuple[int, int, str], bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, stamps: object, *, here: str, node_ms: int) -> Passage:
        """Read the stamps of a batch. A batch without stamps was born here, and has passed every hop just now."""
        found = clean(stamps)
        moments = {HOPS[name]: int(found[name]) for name in MOMENTS if name in found}
        return cls(str(found.get("region", here)), {**moments, "node": node_ms})

    @property
    def began_ms(self) -> int:
        """The moment that replaces the `at_ms` of an event without one."""
        return self.moments.get("committed", self.moments["node"])

    def since(self, at_ms: int) -> Iterator[tuple[str, int]]:
        """Yield each hop with the milliseconds from `at_ms` to it: negative if two machines' clocks differ."""
        for hop, moment in self.moments.items():
            yield hop, moment - at_ms


@dataclass(frozen=True, slots=True)
class Journey:
    """The path of what is in a live frame. `at_ms` is the frame's. `received`: when each thing in it was received.

    A frame of counters stands for several batches. Its hops are those of the first batch.
    """

    event: str
    passage: Passage
    at_ms: int
    received: Sequence[int] = field(default=())

    def hops(self, written_ms: int, *, here: str) -> bytes:
        """Return the frame's `hops` as a JSON object: milliseconds after `at_ms`, and the region of birth if it is
        another one.
        """
        passage, at_ms = self.passage, self.at_ms
        text = passage.texts.get((at_ms, written_ms, here))
        if text is None:
            found: dict[str, int | str] = {hop: max(0, ms) for hop, ms in passage.since(at_ms)}
            found["written"] = max(0, written_ms - at_ms)
            if passage.region != here:
                found["region"] = passage.region
            text = passage.texts[at_ms, written_ms, here] = orjson.dumps(found)
        return text
