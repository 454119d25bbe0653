"""Ctrl-C during a load test: the test ends once, in order, and removes what it has made. Used by the command."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class Interrupts:
    """Ctrl-C (or SIGTERM) raises KeyboardInterrupt once. After that, and while `shielded`, it changes nothing.

    Inside a loop it cancels the work instead. An exception raised anywhere there would end the loop before its tasks.
    """

    def __init__(self) -> None:
        self.shielded = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work in a loop of its own. Raises KeyboardInterrupt when all its tasks have ended."""

        async def main() -> T:
            task = asyncio.current_task()
            assert task is not None
            for number in self._before:
                asyncio.get_running_loop().add_signal_handler(number, self._first, task.cancel)
            return await work

        try:
            return asyncio.run(main())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            for number in self._before:  # the loop has taken its own away
                signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._first(self._raise)

    def _first(self, act: Callable[[], object]) -> None:
        if self.shielded:
            print("loadtest: cleaning up", file=sys.stderr)
        else:
            self.shielded = True
            act()

    @staticmethod
    def _raise() -> None:
        raise KeyboardInterrupt

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
