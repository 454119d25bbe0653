"""The last hop: joins what a sample of the viewers acknowledge with the time when it was written to them.

Hop: after the last. The node begins a sample when it writes a frame (`begin`); the viewer's acknowledgement ends it
(`saw`), by a WebSocket's command or by POST /saw. Joining is a dictionary lookup in memory of bounded size, and no
part of a delivery. A frame that is not acknowledged within `LOST_SECONDS`, though its connection is still there, counts
as lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from realtime import metrics
from realtime.events import ConnectionId, now_ms
from realtime.stamps import Journey

ACKNOWLEDGE_MS, ACKNOWLEDGE_MAX_MS = 5_000, 20_000  # how often a sampled viewer acknowledges
REQUESTS_PER_SECOND = 4  # of all of them together; with more viewers each acknowledges less often
SAMPLED_MAX = 200  # connections of a node
READERS_MAX = 10  # viewers who acknowledge one frame, drawn anew each time: those who came first are written to first
STARTS_PER_SECOND = 400  # viewers times frames; above this, frames are left out at random
LOST_SECONDS = 30.0
SKEW_MAX_MS = 2_000  # an acknowledgement that is further in the past or the future is ignored
WAITING_MAX = 20_000  # starts, whatever happens
ENTRIES_MAX = 1_000  # of one acknowledgement


@dataclass(frozen=True, slots=True)
class _Start:
    journey: Journey
    written_ms: int
    began: float  # by the node's clock


class Acknowledgements:
    """A node's sampled connections, and the frames that each has not acknowledged yet: `WAITING_MAX` at most."""

    def __init__(self, *, clock: Callable[[], float], share: float, draw: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._share = share
        self._draw = draw
        self._open: dict[ConnectionId, dict[int, _Start]] = {}
        self._number = 0
        self._wanted = 0  # starts that were wanted since the last second began
        self._kept_share = 1.0  # share of the frames that are sampled, from what was wanted in the second before
        self._waiting = 0

    @property
    def every_ms(self) -> int:
        """How often a connection that comes now must acknowledge."""
        return min(max(ACKNOWLEDGE_MS, 1_000 * len(self._open) // REQUESTS_PER_SECOND), ACKNOWLEDGE_MAX_MS)

    def enter(self, connection: ConnectionId) -> bool:
        """Return whether a new connection is in the sample."""
        if len(self._open) >= SAMPLED_MAX or self._draw() >= self._share:
            return False
        self._open[connection] = {}
        return True

    def leave(self, connection: ConnectionId) -> None:
        """Forget a connection. What it has not acknowledged is neither seen nor lost."""
        self._waiting -= len(self._open.pop(connection, ()))

    def begin(self, journey: Journey, written_ms: int, readers: Iterable[ConnectionId]) -> int:
        """Note a frame that is written to sampled readers; return its number. 0: it goes unsampled."""
        now = self._clock()
        readers = [reader for reader in readers if reader in self._open]
        if len(readers) > READERS_MAX:
            readers = random.sample(readers, READERS_MAX)
        self._wanted += len(readers)
        # At random, not the first that fit: those that come in a bunch after a stall are the late ones.
        is_left_out = self._kept_share < 1 and self._draw() >= self._kept_share
        if not readers or is_left_out or self._waiting + len(readers) > WAITING_MAX:
            return 0
        self._waiting += len(readers)
        self._number += 1
        start = _Start(journey, written_ms, now)
        for reader in readers:
            self._open[reader][self._number] = start
        metrics.samples_started.inc(len(readers))
        return self._number

    def saw(self, connection: ConnectionId, entries: Iterable[tuple[int, int]]) -> int:
        """Take what a viewer has seen: numbers of frames, each with the moment by the server's clock, in epoch ms.

        Returns how many samples that ended. Some entries change nothing: for a frame that was not written to this
        viewer, or that counts as lost already; a second one for a frame; one with an impossible moment.
        """
        open_ = self._open.get(connection, {})
        ended = 0
        latest_ms = now_ms() + SKEW_MAX_MS
        for number, seen_ms in entries:
            start = open_.get(number)
            if start is None or not start.written_ms - SKEW_MAX_MS <= seen_ms <= latest_ms:
                continue
            del open_[number]
            ended += 1
            journey = start.journey
            for received_ms in journey.received:
                metrics.hop_seconds.observe("seen", journey.event, journey.passage.region, seen_ms - received_ms)
        self._waiting -= ended
        metrics.samples_seen.inc(ended)
        return ended

    def expire(self) -> None:
        """Count what was not acknowledged in time as lost. Called once a second."""
        self._kept_share = min(1.0, STARTS_PER_SECOND / max(1, self._wanted))
        self._wanted = 0
        before = self._clock() - LOST_SECONDS
        for open_ in self._open.values():
            lost = [number for number, start in open_.items() if start.began < before]
            for number in lost:
                del open_[number]
            self._waiting -= len(lost)
            metrics.samples_lost.inc(len(lost))


def entries_of(value: object) -> list[tuple[int, int]]:
    """Return what a client sent as `[[number, ms], …]`. Raises ValueError for anything else."""
    if not isinstance(value, list) or len(value) > ENTRIES_MAX:
        raise ValueError(f"frames are a list of at most {ENTRIES_MAX}")
    for entry in value:
        match entry:
            case [int(number), int(ms)] if not isinstance(number, bool) and not isinstance(ms, bool):
                continue
        raise ValueError("a frame is [number, milliseconds]")
    return [(number, ms) for number, ms in value]
