"""Background tasks with an owner: they end with their owner, and a failure is logged.

Hop: beside the path. A node (realtime.node.node), its process and the relay each own some.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

logger = logging.getLogger(__name__)

CANCEL_AGAIN_SECONDS = 5.0  # long enough for a task to tidy up


class Spawn(Protocol):
    def __call__(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]: ...


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and wait until they have ended, in any way.

    One cancel may be lost: redis-py writes inside `asyncio.wait_for`, which forgets a cancel that comes in the very
    turn of the loop in which its work is done (Python 3.11; bpo-37658). Then the task goes on for ever.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


class BackgroundTasks:
    """`quiet`: failures that are not logged, because the code that waits for the task handles them."""

    def __init__(self, owner: str, *, quiet: tuple[type[Exception], ...] = ()) -> None:
        self._owner = owner
        self._quiet = quiet
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many tasks have not ended."""
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def repeat(self, step: Callable[[], Awaitable[None]], seconds: float, *, name: str) -> None:
        """Do the step again and again, from now on."""
        self.spawn(self._repeat(step, seconds, name), name=name)

    async def aclose(self) -> None:
        """Cancel all and wait for their end."""
        await end(*self._tasks)

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float, name: str) -> None:
        while True:
            # Jitter: the nodes of a site must not ask the database in step.
            await asyncio.sleep(seconds * random.uniform(0.9, 1.0))
            try:
                await step()
            except Exception:
                # A bug in one pass must not end all later ones.
                logger.exception("%s: a pass failed: %s", self._owner, name)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, self._quiet):
            logger.error("%s: %s failed", self._owner, task.get_name(), exc_info=error)
