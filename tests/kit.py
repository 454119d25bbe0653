"""What many tests use: a clock that they move, and waiting for a condition."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType

from prometheus_client import REGISTRY

HANG_SECONDS = 120.0  # after which a test has failed: machines may be slow and busy


class Clock:
    """Time that moves when the test says so, for everything that is not a timer of the loop."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def sample(name: str, **labels: str) -> float:
    """Return what this process has counted so far."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def held_by(thing: object) -> int:
    """Return how many entries there are in all containers that it keeps in memory."""
    found: dict[int, object] = {}
    fresh = {id(thing): thing}
    while fresh:
        found |= fresh
        fresh = {
            id(each): each
            for each in gc.get_referents(*fresh.values())
            if id(each) not in found and not isinstance(each, type | ModuleType | FunctionType | BuiltinFunctionType)
        }
    return sum(len(each) for each in found.values() if isinstance(each, dict | set | list | tuple | deque))


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)
