"""Deadlines of connections: thousands of them without a timer each.

Called by the server (realtime.edge.server), which sweeps them, and by what starts and stops them: requests
(realtime.edge.http) and WebSockets behind TLS (realtime.edge.autobahn).
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from realtime.edge.handoff import PeerGone, tcp_transport
from realtime.edge.transport import pending_bytes


class Deadlines:
    """Drops connections for which nothing happens in time. `spares` says which connections are kept all the same.

    The time is the same for all, so the first to begin is the first to end, and none needs a timer. Twisted's own idle
    time starts again with each byte: a line that never ends would hold the connection for ever.
    """

    def __init__(self, seconds: float, *, spares: Callable[[Any], bool] = lambda channel: False) -> None:
        self._seconds = seconds
        self._spares = spares
        # Weak references: most connections end long before, and this must not keep them in memory.
        self._due: dict[weakref.ref[Any], float] = {}

    def start(self, channel: Any) -> None:
        """Begin, or begin again."""
        self.stop(channel)
        self._due[weakref.ref(channel)] = time.monotonic() + self._seconds

    def stop(self, channel: Any) -> None:
        self._due.pop(weakref.ref(channel), None)

    def note(self, channel: Any, *, has_come: bool, is_unfinished: bool) -> None:
        """Start the time of what has begun now. What came before it had a time of its own."""
        if has_come or not is_unfinished:
            self.stop(channel)
        if is_unfinished and weakref.ref(channel) not in self._due:
            self.start(channel)

    def waiting(self, seconds: float) -> Iterator[Any]:
        """Yield the connections that have waited for that long, longest first."""
        before = time.monotonic() + self._seconds - seconds
        for reference, due in list(self._due.items()):
            if due > before:
                return
            if (channel := reference()) is not None and channel.transport is not None:
                yield channel

    def sweep(self) -> None:
        """Drop the connections that have run out of time."""
        now = time.monotonic()
        while self._due:
            reference, due = next(iter(self._due.items()))
            channel = reference()
            if channel is not None and due > now:
                return
            del self._due[reference]
            if channel is None or channel.transport is None:
                continue
            if self._spares(channel):
                self.start(channel)
            else:
                channel.transport.abortConnection()


def still_reads(channel: Any) -> bool:
    """Whether the peer still takes the last answer. `Bound` limits for how long."""
    with contextlib.suppress(PeerGone):
        return pending_bytes(tcp_transport(channel.transport)) > 0
    return False
