"""Collects questions and news that come one by one, and sends many at a time. While one batch is under way, the next
collects.

Hop: beside the path; a crowd that comes back opens a topic for each viewer. A database or a Redis answers a hundred
questions in one call as fast as one question. A single question does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


async def news_gathered(news: asyncio.Event, *, at_most_seconds: float, gather_seconds: float) -> None:
    """Return `gather_seconds` after there is news, and forget the news. Without news return after `at_most_seconds`."""
    with contextlib.suppress(TimeoutError):
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the news.
        async with asyncio.timeout(at_most_seconds):
            await news.wait()
        await asyncio.sleep(gather_seconds)
    news.clear()


class Batches(Generic[K, V]):
    """`answer(keys)` returns the answers that exist. It runs once at a time, for `keys_max` keys at most."""

    def __init__(self, answer: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, keys_max: int) -> None:
        self._answer = answer
        self._keys_max = keys_max
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V | None:
        """Return the key's answer, None when there is none. Raises what `answer` raises."""
        # A future for each who asks: one that all wait for would need a shield for each.
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="batches")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = {key: self._waiting[key] for key in islice(self._waiting, self._keys_max)}
                for key in batch:
                    del self._waiting[key]
                try:
                    answers = await self._answer(list(batch))
                except Exception as error:
                    for future in _still_waiting(batch.values()):
                        future.set_exception(error)
                    continue
                for key, futures in batch.items():
                    for future in _still_waiting([futures]):
                        future.set_result(answers.get(key))
        finally:
            self._running = None


def _still_waiting(waiting: Iterable[list[asyncio.Future[V]]]) -> Iterator[asyncio.Future[V]]:
    """Yield the futures of all who have not left."""
    return (future for futures in waiting for future in futures if not future.done())
