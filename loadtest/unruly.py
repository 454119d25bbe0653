"""Viewers that behave badly: some read far too slowly, some close and come back all the time. Called by `viewers`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

from loadtest.connection import Manner, Phase, ViewerConnection, Watch
from realtime.edge.poll import Poll

SLOW_BYTES, SLOW_SECONDS = 64, 0.25
"""A slow viewer reads 256 bytes a second, in steps. A busy video sends thousands."""


class Unruly:
    """The slow and flapping viewers of a crowd. While they are steady, it does nothing.

    `read` reads a number of bytes from a viewer. `leave` ends a flapping viewer's connection.
    """

    def __init__(
        self,
        watch: Watch,
        poll: Poll,
        *,
        read: Callable[[ViewerConnection, int], None],
        leave: Callable[[ViewerConnection], None],
    ) -> None:
        self._watch = watch
        self._poll = poll
        self._read = read
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._is_on = False
        self._slow: dict[ViewerConnection, None] = {}  # not polled

    def set(self, unruly: bool, viewers: Iterable[ViewerConnection]) -> None:
        """Let slow and flapping viewers begin to behave as such, or make all steady and read what waits."""
        if unruly == self._is_on:
            return
        self._is_on = unruly
        if unruly:
            for viewer in viewers:
                self.take(viewer)
            if self._watch.slow_percent:
                self._loop.call_later(SLOW_SECONDS, self._read_slowly)
        else:
            for viewer in self._slow:
                self._poll.add(viewer.descriptor)
            self._slow.clear()

    def take(self, viewer: ViewerConnection) -> None:
        """Let the viewer misbehave, if it is slow or flapping, and watches."""
        if not self._is_on or viewer.manner is Manner.STEADY or viewer.phase is not Phase.WATCHING:
            return
        if viewer.manner is Manner.SLOW:
            self._poll.remove(viewer.descriptor)
            self._slow[viewer] = None
        else:
            self._loop.call_later(random.uniform(*self._watch.stay_seconds), self._flap, viewer, viewer.visit)

    def drop(self, viewer: ViewerConnection) -> bool:
        """Forget a viewer when its socket ends. False: it was polled, as all others are."""
        if viewer not in self._slow:
            return False
        del self._slow[viewer]
        return True

    def close(self) -> None:
        self._is_on = False

    def _flap(self, viewer: ViewerConnection, visit: int) -> None:
        """End the visit that the timer was set for."""
        if self._is_on and viewer.visit == visit and viewer.phase is Phase.WATCHING:
            self._leave(viewer)

    def _read_slowly(self) -> None:
        if not self._is_on:
            return
        for viewer in list(self._slow):
            self._read(viewer, SLOW_BYTES)
        self._loop.call_later(SLOW_SECONDS, self._read_slowly)
