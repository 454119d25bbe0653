"""What many tests use: a clock that they move, and waiting for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HANG_SECONDS = 120.0  # after which a test has failed: machines may be slow and busy


class Clock:
    """Time that moves when the test says so, for everything that is not a timer of the loop."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)
