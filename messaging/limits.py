"""How often one viewer may write, change who he talks to, and type. `LIVE_LIMITS=off` opens them (videos.limits)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from realtime.limits import RateLimit

MESSAGES = RateLimit(burst=20, per_second=1)
CONVERSATIONS = RateLimit(burst=20, per_second=0.2)  # starting one, members, blocks

TYPING_SECONDS = 2.0


@dataclass(slots=True)
class TypingLimit:
    """At most one "typing" per typist and topic in `TYPING_SECONDS`, and one "stopped" after it.

    The rest is dropped without a word: nobody misses what is said again in a moment. The least recently used typists
    are forgotten.
    """

    clock: Callable[[], float] = time.monotonic
    typists_max: int = 100_000
    _typists: OrderedDict[tuple[str, str], tuple[float, bool]] = field(default_factory=OrderedDict)

    def passes(self, typist: str, topic: str, *, is_typing: bool) -> bool:
        key, now = (typist, topic), self.clock()
        # Of one whom this node has not heard of, "stopped" may belong to a "typing" that another node passed on.
        since, was_typing = self._typists.pop(key, (float("-inf"), True))
        passes = now - since >= TYPING_SECONDS if is_typing else was_typing
        if passes:
            since, was_typing = (now, True) if is_typing else (since, False)
        self._typists[key] = (since, was_typing)
        if len(self._typists) > self.typists_max:
            self._typists.popitem(last=False)
        return passes

    def forget(self, typist: str, topic: str) -> None:
        self._typists.pop((typist, topic), None)


TYPING = TypingLimit()
