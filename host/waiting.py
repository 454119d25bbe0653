"""Wait for a condition that sends no signal: ask again and again. Standard library only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

EVERY_SECONDS = 0.01


def wait_until(holds: Callable[[], bool], *, within_seconds: float, every_seconds: float = EVERY_SECONDS) -> bool:
    """Return True as soon as the condition holds, False when time is up. Blocks its thread; raises what it raises."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)
    return True


async def until(holds: Callable[[], Awaitable[bool]], *, every_seconds: float) -> None:
    """Return as soon as the condition holds. Raises what it raises."""
    while not await holds():  # noqa: ASYNC110  (there is no event to wait for)
        await asyncio.sleep(every_seconds)
