"""The frames of one topic: those not yet due, and those that are being sent.

Hop: the last but one. The fan-out (realtime.node.fanout) moves them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.events import Frame
from realtime.node.connections import Connection


@dataclass(slots=True)
class Outgoing:
    """Frames that are sent in one write, to the members that were there when the frames were made.

    A connection that cannot take them at once gets `durable` all the same, and the newest state when it can.
    """

    durable: list[Frame]
    state: list[Frame]
    sse_size: int
    websocket_size: int
    readers: Sequence[Connection] = ()  # those of them that are sampled

    def absorb(self, other: Outgoing) -> bool:
        """Add the frames of another batch if they go to the same members."""
        if (self.sse_size, self.websocket_size) != (other.sse_size, other.websocket_size):
            return False
        self.durable += other.durable
        self.state += other.state
        return True


@dataclass(slots=True)
class Sending:
    """The frames of one topic that are due later, and those that are being sent."""

    is_due: bool = False  # state waits to be sent
    due_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    sent_at: float = 0.0
    rest_seconds: float = 0.0  # seconds between frames of state, from the time that the last fan-out took
    outbox: list[Outgoing] = field(default_factory=list)
    pump: asyncio.Task[None] | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def cancel(self) -> None:
        """Send no more."""
        self.stop_timer()
        if self.pump is not None:
            self.pump.cancel()
