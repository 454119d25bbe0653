"""The telemetry of a region: each process reports what it counts once a second, and any process can read all reports.

Hop: beside the path. Nodes, dispatchers, jobs and relays call `report_forever` or `start_reporting`; `/metrics/region`
and the operator's page read. A report is two keys of the region's Redis for each process: what it counts now
(`live:<region>:figures:<process>`, which expires) and what came in each slot of five seconds for ten minutes. A process
that ends, or cannot reach Redis, is missing after `KEPT_SECONDS`. Nothing waits for it, and only figures are lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from prometheus_client import PROCESS_COLLECTOR, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from redis.exceptions import RedisError

from realtime import metrics
from realtime.conf import QUEUES
from realtime.events import now_ms
from realtime.metrics import QUANTILES, Buckets, HopSeconds, quantile_ms
from realtime.table.redis import key_prefix, shared_redis

logger = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
SLOT_SECONDS = 5
SLOTS_KEPT = 120
KEPT_SECONDS = 15
COMPLETE_SECONDS = 2  # after the end of a slot every process has reported it
PROCESSES_MAX = 500

RATES: Mapping[str, Counter] = {
    "frames": metrics.frames_sent,
    "like_deliveries": metrics.counted_deliveries,
    "samples": metrics.samples_started,
    "samples_seen": metrics.samples_seen,
    "samples_lost": metrics.samples_lost,
    "gaps": metrics.gaps_found,
    "publish_drops": metrics.publish_drops,
}
"""What each slot reports beside the hops: how often each thing was counted in it."""
LEVELS: Mapping[str, Gauge] = {"connections": metrics.connections}
"""And the values at the end of the slot."""
REPORTED = [metric for metric in vars(metrics).values() if isinstance(metric, (Counter, Gauge, Histogram))]
Series = tuple[str, str, str]  # hop, event, region


def _key(process: str) -> str:
    return f"{_names_key()}:{process}"


def _names_key() -> str:
    return f"{key_prefix()}figures"


def _sum(metric: Counter | Gauge) -> float:
    """Return the metric's value over all its labels."""
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name in (family.name, f"{family.name}_total")
    )


def _encoded(family: Metric) -> list[Any]:
    samples = [[one.name, one.labels, one.value] for one in family.samples if not one.name.endswith("_created")]
    return [family.name, family.type, family.documentation, samples]


def take_number(part: str, folder: Path) -> int:
    """Return the lowest number that no other process of this part has on this machine. It is ours until this process
    ends.

    A restarted process gets the number of the one before, so its series go on. With the process id as number, hundreds
    of series would begin anew. The kernel ends the lock with the process, in any case. If the folder cannot be written
    to, the number is the process id.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for number in range(1, PROCESSES_MAX + 1):
            lock = os.open(folder / f"{part}-{number}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return number
            except BlockingIOError:
                os.close(lock)
    except OSError as error:
        logger.warning("telemetry: %s cannot be written to, so this process has its id for a number: %s", folder, error)
    return os.getpid()


class Reporter:
    """Makes the reports of this process. `name` is its part in the site (node, dispatcher, jobs, relay)."""

    def __init__(self, name: str) -> None:
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:32]
        part = f"{name}-{host}"  # several machines may share the folder
        self.process = f"{part}-{take_number(part, settings.LIVE_PROCESSES_DIR)}"
        self._name = name
        self._began_ms = now_ms()
        self._slot = now_ms() // 1000 // SLOT_SECONDS
        self._counted: dict[str, float] = {name: _sum(metric) for name, metric in RATES.items()}
        self._series: dict[Series, list[float]] = {key: list(counts) for key, counts in self._hops().items()}
        self._of_process = self._read_process()

    @staticmethod
    def _hops() -> dict[Series, list[float]]:
        return metrics.hop_seconds.series

    @staticmethod
    def _read_process() -> list[list[Any]]:
        """Return what the system knows about this process. With thousands of sockets that takes milliseconds."""
        return [_encoded(family) for family in PROCESS_COLLECTOR.collect()]

    def now(self) -> bytes:
        """Return all that this process counts, encoded. Takes about a millisecond."""
        families = [_encoded(family) for metric in REPORTED for family in metric.collect()]
        hops = [[*key, counts] for key, counts in list(self._hops().items())]
        report = {"process": self.process, "name": self._name, "began_ms": self._began_ms, "at_ms": now_ms()}
        return orjson.dumps({**report, "families": families + self._of_process, "hops": hops})

    def slot(self) -> bytes | None:
        """Return what came in the slot that has just ended, encoded. None: the slot goes on."""
        slot = now_ms() // 1000 // SLOT_SECONDS
        if slot == self._slot:
            return None
        ended, self._slot = slot - 1, slot
        self._of_process = self._read_process()
        counted = {name: _sum(metric) for name, metric in RATES.items()}
        rates = {name: value - self._counted.get(name, 0.0) for name, value in counted.items()}
        self._counted = counted
        hops = []
        for key, counts in list(self._hops().items()):
            before = self._series.get(key) or [0.0] * len(counts)
            # Few of the bounds have news.
            news = {
                str(place): now - then
                for place, (now, then) in enumerate(zip(counts[:-1], before[:-1], strict=True))
                if now != then
            }
            if news:
                hops.append([*key, news])
                self._series[key] = list(counts)
        levels = {name: _sum(metric) for name, metric in LEVELS.items()}
        return orjson.dumps({"slot": ended, "hops": hops, **rates, **levels})

    def calls(self) -> list[tuple[Any, ...]]:
        """Return the Redis commands that report it."""
        key, at = _key(self.process), now_ms() // 1000
        calls: list[tuple[Any, ...]] = [
            ("SET", key, self.now(), "EX", KEPT_SECONDS),
            ("ZADD", _names_key(), at, self.process),
            ("ZREMRANGEBYSCORE", _names_key(), "-inf", at - KEPT_SECONDS),
            ("EXPIRE", _names_key(), KEPT_SECONDS),
        ]
        if (slot := self.slot()) is not None:
            past = f"{key}:slots"
            calls += [
                ("LPUSH", past, slot),
                ("LTRIM", past, 0, SLOTS_KEPT - 1),
                ("EXPIRE", past, KEPT_SECONDS + SLOT_SECONDS),
            ]
        return calls


def _until_next() -> float:
    """Return the seconds until it is time to report again: at the same moments in every process."""
    return REPORT_SECONDS - time.time() % REPORT_SECONDS


async def report_forever(name: str) -> None:
    """Report to the region what this process counts, once a second, for as long as the task lives. Never raises."""
    reporter = Reporter(name)
    while True:
        await asyncio.sleep(_until_next())
        try:
            pipe = shared_redis().pipeline(transaction=False)
            for call in reporter.calls():
                pipe.execute_command(*call)
            await pipe.execute()
        except (RedisError, OSError) as error:
            logger.debug("telemetry: Redis away: %s", error)


def start_reporting(name: str) -> threading.Thread:
    """Do the same as `report_forever` in a thread that ends with the process, for a process without an event loop."""
    thread = threading.Thread(target=lambda: asyncio.run(report_forever(name)), name="telemetry", daemon=True)
    thread.start()
    return thread


# Reading


class TelemetryAway(Exception):
    """Redis does not answer: nobody can read the reports of the region."""


async def read(*, with_past: bool = False) -> list[ProcessReport]:
    """Return the last report of each process of the region, by name. Raises TelemetryAway."""
    try:
        client = shared_redis()
        since = now_ms() // 1000 - KEPT_SECONDS
        found: list[Any] = await client.zrangebyscore(_names_key(), since, "+inf", 0, PROCESSES_MAX)
        names = [name.decode() for name in found]
        if not names:
            return []
        pipe = client.pipeline(transaction=False)
        pipe.mget([_key(name) for name in names])
        for name in names if with_past else ():
            pipe.lrange(f"{_key(name)}:slots", 0, SLOTS_KEPT - 1)
        answers = await pipe.execute()
    except (RedisError, OSError) as error:
        raise TelemetryAway(str(error)) from error
    pasts = answers[1:] or [()] * len(names)
    return sorted(
        (
            ProcessReport(orjson.loads(now), [orjson.loads(slot) for slot in past])
            for now, past in zip(answers[0], pasts, strict=True)
            if now is not None
        ),
        key=lambda report: str(report.now["process"]),
    )


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What one process has reported: what it counts `now` (Reporter.now), and its past slots (Reporter.slot)."""

    now: Mapping[str, Any]
    slots: Sequence[Mapping[str, Any]]


async def queue_lengths() -> dict[str, int]:
    """Return how many tasks wait in each of the broker's queues. Raises TelemetryAway."""
    names = [queue.name for queue in QUEUES]
    pipe = shared_redis().pipeline(transaction=False)
    for name in names:
        pipe.llen(name)
    try:
        return dict(zip(names, await pipe.execute(), strict=True))
    except (RedisError, OSError) as error:
        raise TelemetryAway(str(error)) from error


def of_site(*, database_is_up: bool, queues: Mapping[str, int] | None) -> list[Metric]:
    """Return what no process counts, as metrics. `queues`: their lengths; None: Redis does not answer."""
    waiting = GaugeMetricFamily("live_queue_length", "Tasks that wait for a worker", labels=["queue"])
    for name, length in (queues or {}).items():
        waiting.add_metric([name], length)
    return [
        GaugeMetricFamily("live_postgres_up", "1: PostgreSQL takes writes and has room", value=database_is_up),
        GaugeMetricFamily("live_redis_up", "1: Redis answers", value=queues is not None),
        waiting,
    ]


class _AsMetrics(Collector):
    """All samples of the reports, each with the process that it came from, and the samples of `more`."""

    def __init__(self, reports: Iterable[ProcessReport], more: Iterable[Metric]) -> None:
        self._reports = list(reports)
        self._more = list(more)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        hops = HopSeconds.family("process")
        for now in (one.now for one in self._reports):
            process = now["process"]
            for name, kind, text, samples in now["families"]:
                family = families.setdefault(name, Metric(name, text, kind))
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "process": process}, value)
            for *labels, counts in now["hops"]:
                HopSeconds.add(hops, (*labels, process), counts)
        yield from families.values()
        yield hops
        yield from self._more


def to_metrics(reports: Iterable[ProcessReport], more: Iterable[Metric] = ()) -> bytes:
    """Return everything in Prometheus' text form. Reported samples have the label `process`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_AsMetrics(reports, more))
    return generate_latest(registry)


def _buckets(counts: Mapping[int, float]) -> Buckets:
    bounds = [*(bound / 1000 for bound in HopSeconds.BOUNDS_MS), float("inf")]
    return dict(zip(bounds, accumulate(counts.get(place, 0.0) for place in range(len(bounds))), strict=True))


def to_plots(reports: Sequence[ProcessReport], *, event: str = "", now_ms: int) -> dict[str, Any]:
    """Return what the operator page draws: one value for each slot of the last ten minutes, null if there is none.

    `{"at": [epoch s], "hops": {hop: {"p50": [ms], …}}, "rates": {name: [per s]}, "levels": {name: [n]}}`, over all
    processes; the hops of one event, or of all.
    """
    last = (now_ms // 1000 - COMPLETE_SECONDS) // SLOT_SECONDS - 1
    slots = range(last - SLOTS_KEPT + 1, last + 1)
    counts: defaultdict[tuple[str, int], defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    sums: dict[tuple[str, int], float] = {}
    for item in (slot for one in reports for slot in one.slots if slot["slot"] in slots):
        for hop, name, _, news in item["hops"]:
            if event in ("", name):
                for place, count in news.items():
                    counts[hop, item["slot"]][int(place)] += count
        for name in (*RATES, *LEVELS):
            sums[name, item["slot"]] = sums.get((name, item["slot"]), 0.0) + item.get(name, 0.0)
    buckets = {place: _buckets(of) for place, of in counts.items()}
    return {
        "at": [(slot + 1) * SLOT_SECONDS for slot in slots],
        "hops": {
            hop: {
                name: [quantile_ms(buckets.get((hop, slot), {}), quantile) for slot in slots]
                for name, quantile in QUANTILES.items()
            }
            for hop in dict.fromkeys(hop for hop, _ in counts)
        },
        "rates": {
            name: [None if (of := sums.get((name, slot))) is None else of / SLOT_SECONDS for slot in slots]
            for name in RATES
        },
        "levels": {name: [sums.get((name, slot)) for slot in slots] for name in LEVELS},
    }
