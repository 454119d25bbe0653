"""One load test: viewers connect, likes and comments are sent, everything settles, and the result is made.

Called by `manage.py loadtest`, which says how requests look (`Plan`). This process sends, others watch (`audience`).
Promise: what the result calls lost, doubled or out of order was so at some viewer. If it says 0, every viewer has seen
everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from loadtest.audience import WatcherPool
from loadtest.check import LikeCycle
from loadtest.connection import Watch
from loadtest.hops import Readings, read_hops
from loadtest.latency import TICKS_PER_MS, Histogram, Ledger
from loadtest.machine import Address, Cost, Site, busy_seconds, own_rss_bytes
from loadtest.requests import Client, Pace, SocketCommand, now_tick
from loadtest.watcher import Expected
from loadtest.wire import RawRequest
from realtime.metrics import QUANTILES

SETTLE_SECONDS = 20.0
"""After a crash of any part all is there within this time (docs/operations.md). What is missing then is lost."""

SECOND = 1.0
REPORT_AFTER_SECONDS = 0.3
"""After each full second. By then the watchers' reports of that second have come."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A load test. The callables build the requests: for a like, from the viewer's number and the kind (None: take it
    back). `speakers` act over WebSockets that open before the load, with the handshake that `introduce` builds.
    """

    watch: Watch
    viewers: int
    seconds: float
    likes_per_s: float
    comments_per_s: float
    like_pool: int
    ticket: Callable[[], str]
    like: Callable[[int, str | None], RawRequest | SocketCommand]
    comment: Callable[[int], RawRequest | SocketCommand]
    state: RawRequest  # answered with the video's `seq` and `likes`
    processes: int = 1
    acts_at: Sequence[Address] = ()  # to where likes and comments are sent; empty: where the viewers are
    speakers: range = range(0)
    introduce: Callable[[int, Address], RawRequest] | None = None
    settle_seconds: float = SETTLE_SECONDS


@dataclass(frozen=True, slots=True)
class Progress:
    """What is shown once a second while the load test runs."""

    phase: str
    connected: int
    viewers: int
    frames_per_s: float = 0.0
    likes_sent: int = 0
    comments_sent: int = 0
    latency_ms: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    troubles: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A second of the load. Rates are per second, `latency_ms` is of what was read in it, `cpu` in cores."""

    at_seconds: float  # since the load began
    connected: int
    frames: float
    like_deliveries: float
    likes_sent: float
    comments_sent: float
    latency_ms: dict[str, dict[str, float | None]]
    cpu: dict[str, float]  # by part of the site, and of the generator


@dataclass(slots=True)
class Result:
    """The result. Counts of trouble are sums over viewers. Latencies are in milliseconds."""

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
    flaps: int = 0
    evictions: int = 0
    likes_sent: int = 0
    comments_sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    behind_ms: float = 0.0
    generator_cpu_seconds: float = 0.0
    generator_rss_bytes: int = 0
    generator_processes: int = 1
    busiest_generator: float = 0.0  # share of a core during the load. Near 1 the generator measures itself
    hops_ms: dict[str, dict[str, float | None]] | None = None  # None: the site is not on this machine
    hop_nodes: int = 0  # nodes that the hops are of
    samples: list[Sample] = field(default_factory=list)
    distribution: dict[str, dict[float, int]] = field(default_factory=dict)  # Histogram.distribution
    server: dict[str, Cost] | None = None  # by part: CPU seconds of the load, memory at its end
    processes: list[tuple[str, Cost]] = field(default_factory=list)  # the same, by process
    elsewhere_cpu_seconds: float | None = None  # what other programs of this machine took

    @property
    def lost(self) -> int:
        return self.lost_comments + self.wrong_totals

    @property
    def out_of_order(self) -> int:
        return self.disordered_comments + self.totals_went_back

    @property
    def passed(self) -> bool:
        """The site kept all its promises, and every viewer was connected."""
        wrong = self.lost or self.doubled or self.out_of_order or self.refused.total()
        return self.connected == self.viewers and not wrong


class LoadTest:
    """A load test that runs once, on its event loop."""

    def __init__(self, plan: Plan, *, site: Site | None, report: Callable[[Progress], None]) -> None:
        self.plan = plan
        self._site = site
        self._report = report
        self._cycle = LikeCycle(plan.like_pool)
        self._ledger = Ledger()
        self._received = Histogram()  # from sending a comment's request until the site has read it, by its at_ms
        self._client = Client(plan.acts_at or plan.watch.addresses, introduce=plan.introduce)
        self.audience = WatcherPool(
            plan.watch,
            plan.viewers,
            processes=plan.processes,
            like_pool=plan.like_pool,
            ticket=plan.ticket,
            saw=self._ledger.absorb,
        )
        self._likes = Pace(plan.likes_per_s, plan.seconds)
        self._comments = Pace(plan.comments_per_s, plan.seconds)
        self._unanswered_likes: dict[int, None] = {}  # oldest first; a refused one stays
        self._like_answered = asyncio.Event()
        self._result = Result(plan.viewers)
        self._phase = "connecting"
        self._load_began_at = 0.0
        self._before = self._reading()

    async def run(self) -> Result:
        """Run it. Raises WatcherDied, and RequestRefused when the site does not even give the video's state."""
        tasks = [asyncio.create_task(work) for work in (self._run(), self.audience.listen(), self._report_regularly())]
        try:
            with _collector_at_rest():
                # The first has an end, the others can only fail.
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._client.close()
        return self._result

    async def _run(self) -> None:
        await self._connect()
        if self._result.connected:
            await self._load()
        await self._settle()
        self._fill_result()

    async def _connect(self) -> None:
        result = self._result
        await self.audience.connect()
        result.connected = self.audience.counts().connected_once
        result.connects_per_s = self.audience.connects_per_s()
        await self._client.open(self.plan.speakers)

    # The load

    async def _load(self) -> None:
        result, audience = self._result, self.audience
        hops = await self._read_hops()
        await audience.set_unruly(True)
        self._phase = "load"
        costs = self._site.costs() if self._site else {}
        each = self._site.each() if self._site else {}
        busy = busy_seconds()
        cpu, frames, started = self._generator_cpu(), audience.counts().frames, time.monotonic()
        self._load_began_at = started
        self._before = self._reading()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._likes.run(self._like, admit=self._admit_like))
            group.create_task(self._comments.run(self._comment))
            group.create_task(asyncio.sleep(self.plan.seconds))  # also when there is nothing to send
        result.seconds = time.monotonic() - started
        await audience.ask()  # for reports of this moment
        result.frames = audience.counts().frames - frames
        spent = [now - then for now, then in zip(self._generator_cpu(), cpu, strict=True)]
        result.generator_cpu_seconds = sum(spent)
        result.busiest_generator = max(spent) / result.seconds
        result.generator_processes = len(spent)
        result.generator_rss_bytes = audience.rss_bytes + own_rss_bytes()
        if self._site:
            result.server = {
                part: Cost(max(0.0, cost.cpu_seconds - costs.get(part, Cost()).cpu_seconds), cost.rss_bytes)
                for part, cost in self._site.costs().items()
            }
            result.processes = [
                (name, Cost(max(0.0, cost.cpu_seconds - each.get(name, Cost()).cpu_seconds), cost.rss_bytes))
                for name, cost in self._site.each().items()
            ]
            if busy is not None and (now_busy := busy_seconds()) is not None:
                ours = sum(cost.cpu_seconds for cost in result.server.values()) + result.generator_cpu_seconds
                result.elsewhere_cpu_seconds = max(0.0, now_busy - busy - ours)
        await audience.set_unruly(False)
        if hops:
            after = await self._read_hops() or hops
            received = self._received.percentiles()
            result.hops_ms = {"received": {name: received[name] for name in QUANTILES}, **after.since(hops)}
            result.hop_nodes = len(hops.nodes.keys() & after.nodes.keys())

    async def _read_hops(self) -> Readings | None:
        nodes = len(self._site.parts.get("node", ())) if self._site else 0
        return await read_hops(self.plan.watch.addresses, nodes=nodes) if nodes else None

    def _generator_cpu(self) -> list[float]:
        """Return the CPU seconds of each process of the generator, this one first."""
        return [time.process_time(), *self.audience.cpu_seconds]

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
        """Wait, after round 0, until the cycle is exact (LikeCycle). False: a like was refused, so send no more."""
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
        comment = comment.get("comment", comment)  # the acknowledgement of a command has it inside
        self._ledger.comment_acknowledged(comment["id"], seq=comment["seq"], sent_tick=answer.sent_tick)
        # Where hops are read, the site is on this machine: one clock.
        received_tick = now_tick() - round((time.time() * 1_000 - comment["at_ms"]) * TICKS_PER_MS)
        self._received.add({max(answer.sent_tick, received_tick): 1}, sent_tick=answer.sent_tick)

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
            result.lost_comments, result.wrong_totals = await self.audience.ask(Expected(top_seq, total, kinds))
            if not result.lost or time.monotonic() > deadline:
                return
            await asyncio.sleep(0.1)

    def _fill_result(self) -> None:
        self._ledger.match(unanswered_since=self._client.unanswered_since())
        result, tally, counts = self._result, self.audience.tally(), self.audience.counts()
        result.like_deliveries = self._ledger.like_deliveries
        result.latency_ms = self._latency_ms()
        result.lost_comments += self._ledger.replaced()
        result.doubled, result.resets = tally.doubled, tally.resets
        result.disordered_comments, result.totals_went_back = tally.out_of_order, tally.went_back
        result.distribution = {
            "comment": self._ledger.comment.distribution(),
            "likes": self._ledger.likes.distribution(),
        }
        result.reconnects, result.troubles = counts.reconnects, counts.troubles
        result.flaps, result.evictions = counts.flaps, counts.evictions
        result.likes_sent, result.comments_sent = self._likes.sent, self._comments.sent
        result.refused = self._likes.refused + self._comments.refused
        result.repeated = self._client.repeated
        result.behind_ms = max(self._likes.behind_seconds, self._comments.behind_seconds) * 1_000

    def _latency_ms(self) -> dict[str, dict[str, float | None]]:
        return {"comment": self._ledger.comment.percentiles(), "likes": self._ledger.likes.percentiles()}

    # Once a second

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(SECOND - (time.monotonic() - REPORT_AFTER_SECONDS) % SECOND)
            recent_ms = self._ledger.match(unanswered_since=self._client.unanswered_since())
            before, now = self._before, self._reading()
            if self._phase == "load":
                self._result.samples.append(now.since(before, recent_ms, began_at=self._load_began_at))
            self._report(
                Progress(
                    self._phase,
                    connected=now.connected,
                    viewers=self.plan.viewers,
                    frames_per_s=(now.frames - before.frames) / (now.at - before.at),
                    likes_sent=now.likes_sent,
                    comments_sent=now.comments_sent,
                    latency_ms=self._latency_ms(),
                    troubles=self.audience.counts().troubles.total() + self._client.repeated.total(),
                )
            )
            self._before = now

    def _reading(self) -> _Reading:
        cpu = {}
        if self._site:
            self._site.refresh()
            cpu = {part: cost.cpu_seconds for part, cost in self._site.costs().items()}
        sending, *watching = self._generator_cpu()
        return _Reading(
            at=time.monotonic(),
            connected=self.audience.connected,
            frames=self.audience.counts().frames,
            like_deliveries=self._ledger.like_deliveries,
            likes_sent=self._likes.sent,
            comments_sent=self._comments.sent,
            cpu={**cpu, "generator": sending + sum(watching)},
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """All counters at one moment."""

    at: float
    connected: int
    frames: int
    like_deliveries: int
    likes_sent: int
    comments_sent: int
    cpu: dict[str, float]

    def since(self, before: _Reading, latency_ms: dict[str, dict[str, float | None]], *, began_at: float) -> Sample:
        seconds = self.at - before.at
        return Sample(
            at_seconds=self.at - began_at,
            connected=self.connected,
            frames=(self.frames - before.frames) / seconds,
            like_deliveries=(self.like_deliveries - before.like_deliveries) / seconds,
            likes_sent=(self.likes_sent - before.likes_sent) / seconds,
            comments_sent=(self.comments_sent - before.comments_sent) / seconds,
            latency_ms=latency_ms,
            cpu={part: max(0.0, now - before.cpu.get(part, now)) / seconds for part, now in self.cpu.items()},
        )


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Stop Python's cyclic garbage collector for a while. It would walk thousands of connections, and delay reading."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
