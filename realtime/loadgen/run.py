"""One load test: viewers connect, likes and comments are sent, everything settles, the result is drawn up.

Called by `manage.py loadtest`, which says how requests look (`Plan`). Promise: what the result calls lost, doubled or
out of order was, at some viewer; when it says 0, every viewer has seen everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from realtime.loadgen.check import Checker, LikeCycle
from realtime.loadgen.host import Cost, Site, busy_seconds
from realtime.loadgen.latency import Ledger
from realtime.loadgen.requests import Client, Pace
from realtime.loadgen.viewers import Crowd, Watch
from realtime.loadgen.wire import Request

SETTLE_SECONDS = 20.0
"""State may be that late after a crash (DESIGN: what is promised), so what has not come by then is lost."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A load test. The callables build the requests: for a like, from who likes and the kind (None: take it back)."""

    watch: Watch
    viewers: int
    seconds: float
    likes_per_s: float
    comments_per_s: float
    like_pool: int
    like: Callable[[int, str | None], Request]
    comment: Callable[[int], Request]
    state: Request  # answered with the video's `seq` and `likes`
    settle_seconds: float = SETTLE_SECONDS


@dataclass(frozen=True, slots=True)
class Progress:
    """What there is to say once a second."""

    phase: str
    connected: int
    viewers: int
    frames_per_s: float = 0.0
    likes_sent: int = 0
    comments_sent: int = 0
    latency_ms: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    troubles: int = 0


@dataclass(slots=True)
class Result:
    """What came out. Counts of viewers' trouble are sums over viewers; latencies are in milliseconds."""

    viewers: int
    connected: int = 0
    connects_per_s: float = 0.0
    seconds: float = 0.0
    frames: int = 0
    like_deliveries: int = 0
    latency_ms: dict[str, dict[str, float | None]] = field(default_factory=dict)
    lost_comments: int = 0
    wrong_totals: int = 0
    doubled: int = 0
    disordered_comments: int = 0
    totals_went_back: int = 0
    reconnects: int = 0
    resets: int = 0
    likes_sent: int = 0
    comments_sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    behind_ms: float = 0.0
    generator_cpu_seconds: float = 0.0
    server: dict[str, Cost] | None = None  # by part: CPU seconds of the load, memory at its end
    elsewhere_cpu_seconds: float | None = None  # what other programs of this machine took from the two

    @property
    def lost(self) -> int:
        return self.lost_comments + self.wrong_totals

    @property
    def out_of_order(self) -> int:
        return self.disordered_comments + self.totals_went_back

    @property
    def passed(self) -> bool:
        """Everything that the site promised came true, and the load was really there."""
        wrong = self.lost or self.doubled or self.out_of_order or self.refused.total()
        return self.connected == self.viewers and not wrong


class LoadTest:
    """A load test that runs once, on its event loop."""

    def __init__(self, plan: Plan, *, site: Site | None, tell: Callable[[Progress], None]) -> None:
        self.plan = plan
        self._site = site
        self._tell = tell
        self._cycle = LikeCycle(plan.like_pool)
        self._checker = Checker(plan.watch.topic, self._cycle)
        self._ledger = Ledger()
        self._client = Client(plan.watch.addresses)
        self._crowd = Crowd(plan.watch, plan.viewers, self._checker)
        self._likes = Pace(plan.likes_per_s, plan.seconds)
        self._comments = Pace(plan.comments_per_s, plan.seconds)
        self._unanswered_likes: dict[int, None] = {}  # oldest first; one that was refused stays
        self._like_answered = asyncio.Event()
        self._result = Result(plan.viewers)
        self._phase = "connecting"

    async def run(self) -> Result:
        """Run it. Raises Refused when the site does not even tell the video's state."""
        telling = asyncio.create_task(self._telling())
        try:
            with _collector_at_rest():
                await self._connect()
                if self._result.connected:
                    await self._load()
                await self._settle()
        finally:
            telling.cancel()
            self._crowd.close()
            self._client.close()
        self._draw_up()
        return self._result

    async def _connect(self) -> None:
        crowd, result = self._crowd, self._result
        await crowd.connect()
        gc.freeze()  # thousands of connections that stay: no collection needs to look at them again
        result.connected = crowd.counts.connected_once
        result.connects_per_s = result.connected / max(1e-3, crowd.last_connect_at - crowd.first_connect_at)

    # The load

    async def _load(self) -> None:
        result = self._result
        self._phase = "load"
        costs = self._site.costs() if self._site else {}
        busy = busy_seconds()
        cpu, frames, started = time.process_time(), self._crowd.counts.frames, time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._likes.run(self._like, admit=self._admit_like))
            group.create_task(self._comments.run(self._comment))
            group.create_task(asyncio.sleep(self.plan.seconds))  # also when there is nothing to send
        result.seconds = time.monotonic() - started
        result.frames = self._crowd.counts.frames - frames
        result.generator_cpu_seconds = time.process_time() - cpu
        if self._site:
            result.server = {
                part: Cost(max(0.0, cost.cpu_seconds - costs[part].cpu_seconds), cost.rss_bytes)
                for part, cost in self._site.costs().items()
            }
            if busy is not None and (now_busy := busy_seconds()) is not None:
                ours = sum(cost.cpu_seconds for cost in result.server.values()) + result.generator_cpu_seconds
                result.elsewhere_cpu_seconds = max(0.0, now_busy - busy - ours)

    async def _like(self, number: int) -> None:
        viewer, kind = self._cycle.step(number)
        self._unanswered_likes[number] = None
        try:
            answer = await self._client.ask(self.plan.like(viewer, kind))
            del self._unanswered_likes[number]
        finally:
            self._like_answered.set()
        position = self._cycle.position(answer.json()["kinds"], near=number)
        self._ledger.like_acknowledged(position, sent_tick=answer.sent_tick)

    async def _admit_like(self, number: int) -> bool:
        """Wait, after round 0, until the cycle is exact (LikeCycle). No, once a like was refused for good."""
        pool = self._cycle.pool
        while number >= pool and number - next(iter(self._unanswered_likes), number) >= pool // 2:
            if self._likes.refused:
                return False
            self._like_answered.clear()
            await self._like_answered.wait()
        return True

    async def _comment(self, number: int) -> None:
        answer = await self._client.ask(self.plan.comment(number))
        comment = answer.json()
        self._ledger.comment_acknowledged(comment["id"], seq=comment["seq"], sent_tick=answer.sent_tick)

    # The end

    async def _settle(self) -> None:
        """Wait until every viewer has everything, or for `settle_seconds`; then count what is missing."""
        self._phase = "settling"
        result = self._result
        deadline = time.monotonic() + self.plan.settle_seconds
        while True:
            state = (await self._client.ask(self.plan.state)).json()
            total, kinds = state["likes"]["total"], state["likes"]["kinds"]
            top_seq = max(state["seq"], self._ledger.top_seq())
            result.lost_comments = self._crowd.lost(top_seq)
            result.wrong_totals = self._crowd.stale(total, kinds)
            if not result.lost or time.monotonic() > deadline:
                return
            await asyncio.sleep(0.1)

    def _draw_up(self) -> None:
        self._match()
        result, tally, counts = self._result, self._checker.tally, self._crowd.counts
        result.like_deliveries = self._ledger.like_deliveries
        result.latency_ms = self._latency_ms()
        result.lost_comments += self._ledger.replaced()
        result.doubled, result.resets = tally.doubled, tally.resets
        result.disordered_comments, result.totals_went_back = tally.out_of_order, tally.went_back
        result.reconnects, result.troubles = counts.reconnects, counts.troubles
        result.likes_sent, result.comments_sent = self._likes.sent, self._comments.sent
        result.refused = self._likes.refused + self._comments.refused
        result.repeated = self._client.repeated
        result.behind_ms = max(self._likes.behind_seconds, self._comments.behind_seconds) * 1_000

    def _match(self) -> None:
        self._ledger.absorb(self._checker.collect())
        self._ledger.match(unanswered_since=self._client.unanswered_since())

    def _latency_ms(self) -> dict[str, dict[str, float | None]]:
        return {"comment": self._ledger.comment.percentiles(), "likes": self._ledger.likes.percentiles()}

    # Once a second

    async def _telling(self) -> None:
        frames, told_at = 0, time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            self._crowd.expire()
            self._match()
            now, counts = time.monotonic(), self._crowd.counts
            self._tell(
                Progress(
                    self._phase,
                    connected=self._crowd.connected,
                    viewers=self.plan.viewers,
                    frames_per_s=(counts.frames - frames) / (now - told_at),
                    likes_sent=self._likes.sent,
                    comments_sent=self._comments.sent,
                    latency_ms=self._latency_ms(),
                    troubles=counts.troubles.total() + self._client.repeated.total(),
                )
            )
            frames, told_at = counts.frames, now


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Stop Python's cyclic garbage collector for a while: walking thousands of connections, it stalls their reading."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
