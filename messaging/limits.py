"""How often one viewer may write, change who he talks to, and type. `LIVE_LIMITS=off` opens them (web.limits)."""

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
    _typists: OrderedDict[tuple[str, str], tuple[float, float]] = field(default_factory=OrderedDict)

    def passes(self, typist: str, topic: str, *, is_typing: bool) -> bool:
        key, now = (typist, topic), self.clock()
        typed_at, stopped_at = self._typists.pop(key, (float("-inf"), float("-inf")))
        if is_typing:
            passes = now - typed_at >= TYPING_SECONDS
        else:
            # Without a "typing" before it: that may have gone through another node.
            passes = typed_at > stopped_at or now - stopped_at >= TYPING_SECONDS
        if passes:
            typed_at, stopped_at = (now, stopped_at) if is_typing else (typed_at, now)
        self._typists[key] = (typed_at, stopped_at)
        if len(self._typists) > self.typists_max:
            self._typists.popitem(last=False)
        return passes

    def forget(self, typist: str, topic: str) -> None:
        self._typists.pop((typist, topic), None)


TYPING = TypingLimit()
