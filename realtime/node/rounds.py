"""What all connections of a node get, one after the other: signs of life, and at the end `drain`, to go to another
node.

Hop: beside the last one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from realtime.events import ConnectionId, Frame, frame
from realtime.node.connections import HEARTBEAT_SECONDS, RETRY_MS, Closing, Connection

STEP_CONNECTIONS = 500  # about 5 ms of writing
AWAY_CONNECTIONS = 50  # connections that are sent away at once


class Heartbeats:
    """Signs of life for the connections of a node."""

    def __init__(self, connections: Mapping[ConnectionId, Connection]) -> None:
        self._connections = connections
        self._beats = 0

    async def beat(self) -> None:
        """Write a sign of life to one in `HEARTBEAT_SECONDS` of the connections, so each gets one in that time."""
        slot = self._beats = (self._beats + 1) % HEARTBEAT_SECONDS
        for number, connection in enumerate(list(self._connections.values())):
            if connection.slot == slot:
                connection.heartbeat()
            if number % STEP_CONNECTIONS == STEP_CONNECTIONS - 1:
                await asyncio.sleep(0)


async def send_away(
    connections: Mapping[ConnectionId, Connection],
    close: Callable[[Connection, Frame, Closing], None],
    *,
    window_seconds: float,
    clock: Callable[[], float],
) -> int:
    """Send all viewers to other nodes, evenly over the window, each with a time to come back. Return their number."""
    waiting = list(connections.values())
    random.shuffle(waiting)
    made = frame("drain", {"retry_ms": int(window_seconds * 1000) + RETRY_MS})
    ends = clock() + window_seconds
    for number, connection in enumerate(waiting):
        if connection.id in connections:
            close(connection, made, Closing.DRAIN)
        left = len(waiting) - number - 1
        if left and number % AWAY_CONNECTIONS == AWAY_CONNECTIONS - 1:
            await asyncio.sleep(max(0.0, ends - clock()) * AWAY_CONNECTIONS / (left + AWAY_CONNECTIONS))
    return len(waiting)
