"""Things that are made once for all who ask for them at the same time, and kept for as long as they are true.

Pages (liveplatform.shared_pages) and what pages show (videos.shown) are such things. One event loop uses each of these.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

KEPT_MAX = 128


class Lasting(Protocol):
    """What can say of itself whether it is still true."""

    def is_current(self) -> bool: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Lasting)


class Shared(Generic[K, V]):
    """Bounded: `KEPT_MAX` things. What is not true any more goes first, then what was asked for longest ago."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, asyncio.Future[V | None]] = {}

    async def find(self, key: K) -> tuple[V | None, bool]:
        """Return the thing; without one, whether the caller is the first who needs it, and has to call `made`."""
        if (making := self._making.get(key)) is not None:
            return await asyncio.shield(making), False
        kept = self._kept.get(key)
        if kept is not None and kept.is_current():
            self._kept.move_to_end(key)
            return kept, False
        self._making[key] = asyncio.get_running_loop().create_future()
        return None, True

    def made(self, key: K, thing: V | None) -> None:
        """Give the thing to those who wait for it. None: it is not to be shared, and each makes one."""
        self._making.pop(key).set_result(thing)
        self._kept.pop(key, None)
        for old in [old for old, kept in self._kept.items() if not kept.is_current()]:
            del self._kept[old]
        if thing is not None:
            self._kept[key] = thing
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)

    def drop(self, key: K, thing: V) -> None:
        """Keep the thing no longer, unless there is a newer one."""
        if self._kept.get(key) is thing:
            del self._kept[key]
