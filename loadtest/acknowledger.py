"""What the sampled viewers of a watcher acknowledge, so that the site's own figures can be compared with ours.

Called by `watcher`: as often as the site asks for it, and before the watcher answers an instruction. It does as a page
does (static/js/core/acknowledgements.js): it first measures the offset of the clock. Event streams acknowledge by POST
/saw, WebSockets by a command.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

import orjson

from loadtest.machine import Address
from loadtest.requests import Client, RequestRefused
from loadtest.viewers import Crowd
from loadtest.wire import RawRequest

GETS = 4
SEND_SECONDS = 5.0


class Acknowledger:
    """Acknowledges for a crowd."""

    def __init__(self, crowd: Crowd, addresses: Sequence[Address]) -> None:
        self._crowd = crowd
        self._client = Client(addresses)
        self._offset_seconds: float | None = None

    async def send(self) -> None:
        """Send what was seen since the last time. If the site does not take it in time, it counts that as lost."""
        with contextlib.suppress(RequestRefused, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                await self._send()

    async def _send(self) -> None:
        if not self._crowd.is_sampled:
            return
        if self._offset_seconds is None:
            self._offset_seconds = await self._measure_offset()
        for viewer, frames in self._crowd.take_seen(self._offset_seconds):
            if viewer.is_websocket:
                self._crowd.command(viewer, {"op": "saw", "frames": frames})
            elif viewer.name:
                body = orjson.dumps({"connection": viewer.name, "frames": frames})
                await self._client.ask(RawRequest("POST", "/api/v1/saw", {"Content-Type": "application/json"}, body))

    async def _measure_offset(self) -> float:
        """Return how far the site's clock is ahead. Of four readings the first does not count: it may have opened a
        connection. Of the others the one with the shortest round trip counts.
        """
        readings: list[tuple[float, float]] = []
        for _ in range(GETS):
            asked = time.time()
            answer = await self._client.ask(RawRequest("GET", "/api/v1/time"))
            took = time.time() - asked
            # The site answers in whole milliseconds, rounded down.
            readings.append((took, (answer.json()["now_ms"] + 0.5) / 1_000 - (asked + took / 2)))
        return min(readings[1:])[1]

    def close(self) -> None:
        self._client.close()
