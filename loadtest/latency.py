"""From the moment a request was sent to the moment each viewer read its event. No I/O.

Called by `run`. Requests report when they were sent and what the site answered. `check` reports what was seen. Here the
two are matched, whichever comes first. Ticks are tenths of a millisecond of the monotonic clock.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtest.check import UNTIMED, Sightings
from realtime.metrics import QUANTILES

TICKS_PER_MS = 10
EXACT_TICKS = 10_000
PAIRS_MAX = 20_000


class Histogram:
    """How often each latency was seen: to a tenth of a millisecond. If there are many, those above a second to 1 %."""

    __slots__ = ("_counts", "count", "max_ticks")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.count = 0
        self.max_ticks = 0

    def add(self, arrivals: Mapping[int, int], *, sent_tick: int) -> None:
        """Count deliveries of what was sent at `sent_tick`: arrival ticks and how many viewers."""
        if not arrivals:
            return
        counts = self._counts
        for tick, viewers in arrivals.items():
            counts[tick - sent_tick] += viewers
        self.count += sum(arrivals.values())
        self.max_ticks = max(self.max_ticks, max(arrivals) - sent_tick)
        self._shorten()

    def add_all(self, arrivals: Counter[int], sent: Counter[int]) -> None:
        """Count deliveries of all things that were sent (ticks, and how many) to all arrivals.

        A site that hangs delivers hundreds of likes at once, at hundreds of moments, seconds late. Each pair of them
        costs a step. If there are too many pairs, ticks are rounded, and latencies are up to a few per cent too high.
        """
        for step in (1, 10, 100, 1_000):
            if len(arrivals) * len(sent) <= PAIRS_MAX:
                break
            arrivals = _rounded(arrivals, up_to=step)
            sent = _rounded(sent, down_to=step)
        for sent_tick, times in sent.items():
            self.add({tick: viewers * times for tick, viewers in arrivals.items()}, sent_tick=sent_tick)

    def merge(self, other: Histogram) -> None:
        """Add what another histogram has counted."""
        self._counts.update(other._counts)
        self.count += other.count
        self.max_ticks = max(self.max_ticks, other.max_ticks)
        self._shorten()

    def _shorten(self) -> None:
        if len(self._counts) > 2 * EXACT_TICKS:
            counts, self._counts = self._counts, Counter()
            for ticks, viewers in counts.items():
                self._counts[ticks if ticks <= EXACT_TICKS else ticks - ticks % 10 ** (len(str(ticks)) - 3)] += viewers

    def distribution(self) -> dict[float, int]:
        """Return upper bounds in milliseconds, ascending, each with the deliveries between the bound before and it.

        There are 10 bounds for each power of ten, from the fastest delivery to the slowest.
        """
        if not self.count:
            return {}
        places = Counter[int]()
        for ticks, viewers in self._counts.items():
            places[math.ceil(10 * math.log10(max(ticks, 1)) - 1e-9)] += viewers
        return {
            round(10 ** (place / 10) / TICKS_PER_MS, 2): places[place] for place in range(min(places), max(places) + 1)
        }

    def percentiles(self) -> dict[str, float | None]:
        """Return p50, p90, p99 and max in milliseconds, all None when there is nothing.

        A percentile, such as p90, is the smallest latency that 90 % of the deliveries did not exceed.
        """
        found: dict[str, float | None] = dict.fromkeys((*QUANTILES, "max"))
        if not self.count:
            return found
        seen = 0
        steps = iter(sorted(self._counts.items()))
        ticks = 0
        for name, quantile in QUANTILES.items():
            while seen < quantile * self.count:
                ticks, count = next(steps)
                seen += count
            found[name] = ticks / TICKS_PER_MS
        found["max"] = self.max_ticks / TICKS_PER_MS
        return found


def _rounded(ticks: Counter[int], *, up_to: int = 0, down_to: int = 0) -> Counter[int]:
    found: Counter[int] = Counter()
    for tick, count in ticks.items():
        found[tick + -tick % up_to if up_to else tick - tick % down_to] += count
    return found


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A comment that the site promised to deliver."""

    seq: int
    sent_tick: int


@dataclass(slots=True)
class Ledger:
    """Matches acknowledged requests with sightings.

    A comment is matched by its id. A like is matched, for each viewer, with the first state that has at least the
    position of the like's answer. It is matched when all requests that were sent before that state have an answer.
    What viewers see who are late on purpose counts as delivered, and has no latency.
    """

    comment: Histogram = field(default_factory=Histogram)
    likes: Histogram = field(default_factory=Histogram)
    comments: dict[str, Acknowledged] = field(default_factory=dict)
    like_deliveries: int = 0
    _sent_likes: dict[int, list[int]] = field(default_factory=dict)  # position -> sent ticks
    _seen: dict[int, Counter[str]] = field(default_factory=dict)  # seq -> ids and how many viewers saw them there
    _unmatched: dict[str, Counter[int]] = field(default_factory=dict)
    _states: dict[tuple[int, int], Counter[int]] = field(default_factory=dict)

    def comment_acknowledged(self, id: str, *, seq: int, sent_tick: int) -> None:
        self.comments[id] = Acknowledged(seq, sent_tick)

    def like_acknowledged(self, position: int, *, sent_tick: int) -> None:
        self._sent_likes.setdefault(position, []).append(sent_tick)

    def absorb(self, sightings: Sightings) -> None:
        """Take what the viewers of one process have seen."""
        for (seq, id), ticks in sightings.comments.items():
            self._seen.setdefault(seq, Counter())[id] += ticks.total()
            ticks.pop(UNTIMED, None)
            self._unmatched.setdefault(id, Counter()).update(ticks)
        for (before, after), ticks in sightings.likes.items():
            self.like_deliveries += (after - before) * ticks.total()
            ticks.pop(UNTIMED, None)
            self._states.setdefault((before, after), Counter()).update(ticks)

    def match(self, *, unanswered_since: int | None) -> dict[str, dict[str, float | None]]:
        """Match what can be matched now. Return the percentiles of these matches, by event.

        `unanswered_since`: when the oldest unanswered request was sent. None: there is no such request.
        """
        comment, likes = Histogram(), Histogram()
        for id in self._unmatched.keys() & self.comments.keys():
            comment.add(self._unmatched.pop(id), sent_tick=self.comments[id].sent_tick)
        for (before, after), ticks in list(self._states.items()):
            if unanswered_since is None or min(ticks, default=0) < unanswered_since:
                del self._states[before, after]
                positions = range(before + 1, after + 1)
                sent = Counter(tick for position in positions for tick in self._sent_likes.get(position, ()))
                likes.add_all(ticks, sent)
        self.comment.merge(comment)
        self.likes.merge(likes)
        return {"comment": comment.percentiles(), "likes": likes.percentiles()}

    def replaced(self) -> int:
        """Return how often a viewer saw something else in the place of an acknowledged comment."""
        return sum(
            seen.total() - seen[id]
            for id, comment in self.comments.items()
            if (seen := self._seen.get(comment.seq)) is not None
        )

    def top_seq(self) -> int:
        return max((comment.seq for comment in self.comments.values()), default=0)
