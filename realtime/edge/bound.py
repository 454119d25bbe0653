"""The one bound for every byte to a peer: what may wait in the server for one reader, and for how long.

Called by what writes to peers: the sockets of streams (realtime.edge.sockets), Twisted's connections
(realtime.edge.transport), and the wire through any other ASGI server (realtime.edge.asgi_wire). A frame, an answer, a
pong, a page and a file are all the same here. Promise: one reader costs `WAITING_MAX_BYTES` at most. A reader that
takes nothing for `STALL_MAX_SECONDS` is cut. No other reader waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from realtime import metrics

WAITING_MAX_BYTES = 256 * 1024
STALL_MAX_SECONDS = 10.0


class Reader(Protocol):
    """A peer for which bytes may wait."""

    def pending_bytes(self) -> int:
        """How many bytes were written that the kernel has not yet taken."""
        ...

    def abort(self) -> None:
        """Drop the connection at once."""
        ...


def cut(reader: Reader, reason: str) -> None:
    """Drop a reader that does not keep up. `reason`: "full" or "stalled"."""
    metrics.mailbox_drops.labels(reason).inc()
    reader.abort()


class Bound:
    """The readers for which something waits, each with the time since it last took something."""

    def __init__(
        self, stall_seconds: float = STALL_MAX_SECONDS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._since: dict[Reader, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[Reader]:
        return iter(self._since)

    def waits(self, reader: Reader) -> None:
        """More waits for the reader now. Cut the reader if that is too much."""
        if reader.pending_bytes() > WAITING_MAX_BYTES:
            self.forget(reader)
            cut(reader, "full")
        elif reader not in self._since:
            self._since[reader] = self._clock()

    def took(self, reader: Reader) -> None:
        """The reader has taken some of it; more waits."""
        self._since[reader] = self._clock()

    def forget(self, reader: Reader) -> None:
        """Nothing waits for the reader any more, or it has gone."""
        self._since.pop(reader, None)

    def sweep(self) -> None:
        """Cut the readers that have taken nothing for too long."""
        before = self._clock() - self._stall_seconds
        for reader in [reader for reader, since in self._since.items() if since < before]:
            self.forget(reader)
            cut(reader, "stalled")
