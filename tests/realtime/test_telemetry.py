"""What each process tells of itself, and what is made of it: on the real Redis, with made-up processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from realtime import metrics, telemetry
from realtime.background import end
from realtime.metrics import HopSeconds
from realtime.table.redis import shared_redis, shared_table
from realtime.table.scripts import TableUnavailable
from realtime.telemetry import (
    SLOT_SECONDS,
    SLOTS_KEPT,
    ProcessReport,
    Reporter,
    read,
    report_forever,
    to_metrics,
    to_plots,
)

REGION = "figured"
NOW_MS = 1_795_000_001_500
SLOT = 1_795_000_000 // SLOT_SECONDS - 1
BEFORE = dict.fromkeys((*telemetry.RATES, *telemetry.LEVELS), 0.0)


@pytest.fixture(autouse=True)
def a_region_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    monkeypatch.setattr(settings, "LIVE_REGION", REGION)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client
        client.delete(*client.keys(f"live:{REGION}:*"), "nothing")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time of day in ms: the first, and only, item."""
    now = [NOW_MS]
    monkeypatch.setattr(telemetry, "now_ms", lambda: now[0])
    return now


async def tell(teller: Reporter) -> None:
    for call in teller.calls():
        await shared_redis().execute_command(*call)  # type: ignore[no-untyped-call]


def told(process: str, *, slots: list[dict[str, Any]], hops: list[Any] | None = None) -> ProcessReport:
    family = ["live_connections", "gauge", "Connections", [["live_connections", {"protocol": "sse"}, 7.0]]]
    now = {"process": process, "name": "node", "families": [family], "hops": hops or []}
    return ProcessReport(now, slots)


async def test_what_a_process_counts_is_read_with_its_name(clock: list[int]) -> None:
    teller = Reporter("node")
    metrics.hop_seconds.observe("written", "figured", "eu", 12)
    await tell(teller)
    [found] = await read()
    assert found.now["process"] == teller.process
    assert (found.now["name"], found.now["at_ms"]) == ("node", NOW_MS)
    samples = [
        sample
        for family in text_string_to_metric_families(to_metrics([found]).decode())
        for sample in family.samples
        if sample.labels.get("event") == "figured"
    ]
    assert {sample.labels["process"] for sample in samples} == {teller.process}
    by_bound = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (by_bound["0.0104"], by_bound["0.0124"], by_bound["+Inf"]) == (0, 1, 1)
    assert {s.name: s.value for s in samples if not s.name.endswith("_bucket")} == {
        "live_hop_seconds_count": 1,
        "live_hop_seconds_sum": 0.012,
    }


def test_process_that_starts_again_is_known_by_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The label had the process id: each restart of a node made 611 new series."""
    script = "import sys, pathlib; from realtime.telemetry import take_number as take; "
    script += "print(take('node', pathlib.Path(sys.argv[1])), flush=True); sys.stdin.read()"
    folder = tmp_path / "processes"
    assert [telemetry.take_number(part, folder) for part in ("node", "dispatcher")] == [1, 1]
    with subprocess.Popen([sys.executable, "-c", script, folder], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout and other.stdout.readline() == "2\n"
        other.kill()
    assert telemetry.take_number("node", folder) == 2
    (tmp_path / "file").touch()
    assert telemetry.take_number("node", tmp_path / "file" / "processes") == os.getpid()
    assert "has its id for a number" in caplog.text


async def test_slot_holds_what_came_in_it_alone(clock: list[int]) -> None:
    metrics.hop_seconds.observe("written", "figured before", "eu", 3)
    teller = Reporter("node")
    metrics.hop_seconds.observe("written", "figured in", "eu", 3)
    metrics.frames_sent_of("figured").inc(20)
    await tell(teller)
    assert [found.slots for found in await read(with_past=True)] == [[]]
    clock[0] += SLOT_SECONDS * 1000
    await tell(teller)
    [found] = await read(with_past=True)
    [slot] = found.slots
    assert slot["slot"] == SLOT + 1
    assert slot["frames"] == 20
    assert [hop for hop in slot["hops"] if hop[1].startswith("figured")] == [
        ["written", "figured in", "eu", {"2": 1.0}]
    ]


async def test_past_is_bounded_and_who_is_silent_is_forgotten(clock: list[int]) -> None:
    teller, silent = Reporter("node"), Reporter("silent")
    await tell(silent)
    for _ in range(SLOTS_KEPT + 5):
        clock[0] += SLOT_SECONDS * 1000
        await tell(teller)
    [found] = await read(with_past=True)
    assert found.now["name"] == "node"
    assert len(found.slots) == SLOTS_KEPT
    assert await shared_redis().ttl(f"live:{REGION}:figures:{teller.process}") in range(1, telemetry.KEPT_SECONDS + 1)


async def test_process_tells_by_itself_and_is_not_ended_by_a_redis_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0

    def client() -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise redis.ConnectionError("away")
        return shared_redis()

    monkeypatch.setattr(telemetry, "shared_redis", client)
    monkeypatch.setattr(telemetry, "REPORT_SECONDS", 0.01)
    reporting = asyncio.create_task(report_forever("node"))
    try:
        async with asyncio.timeout(20):
            while asked < 2 or not await read():
                await asyncio.sleep(0.01)
    finally:
        await end(reporting)


async def test_thread_tells_as_a_task_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "REPORT_SECONDS", 0.05)
    assert telemetry.start_reporting("dispatcher").daemon
    async with asyncio.timeout(20):
        while not (found := await read()):
            await asyncio.sleep(0.01)
    assert found[0].now["name"] == "dispatcher"
    monkeypatch.setattr(telemetry, "REPORT_SECONDS", 1e12)  # until the end of the run


async def test_region_without_redis_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(telemetry, "shared_redis", away)
    with pytest.raises(telemetry.TelemetryAway):
        await read()


def test_plots_are_sums_over_processes_and_a_gap_where_nobody_told() -> None:
    slow, fast = {"20": 10.0}, {"3": 10.0}
    first = {**BEFORE, "slot": SLOT - 1, "hops": [["written", "likes", "eu", slow]], "frames": 50.0, "connections": 3.0}
    second = {**first, "hops": [["written", "likes", "us", fast], ["written", "comment", "eu", slow]]}
    both = [told("a", slots=[first]), told("b", slots=[second])]
    plots = to_plots(both, now_ms=NOW_MS + 1_000)
    assert plots["at"][-1] == (SLOT + 1) * SLOT_SECONDS
    assert len(plots["at"]) == SLOTS_KEPT
    assert plots["rates"]["frames"][-3:] == [None, 20.0, None]
    assert plots["levels"]["connections"][-3:] == [None, 6.0, None]
    assert plots["hops"].keys() == {"written"}
    # A third took up to 4 ms, the others what lies between the bounds 19 and 20.
    bounds = HopSeconds.BOUNDS_MS
    p50 = bounds[19] + (bounds[20] - bounds[19]) * 0.25
    assert plots["hops"]["written"]["p50"][-2] == pytest.approx(p50)
    assert plots["hops"]["written"]["p99"][-1] is None
    of_likes = to_plots(both, event="likes", now_ms=NOW_MS + 1_000)
    assert of_likes["hops"]["written"]["p50"][-2] == pytest.approx(4.0)


def test_slot_that_not_everybody_may_have_told_yet_is_not_drawn() -> None:
    assert to_plots([], now_ms=NOW_MS)["at"][-1] == SLOT * SLOT_SECONDS


def test_samples_of_processes_stand_side_by_side() -> None:
    counts = [0.0] * (len(HopSeconds.BOUNDS_MS) + 2)
    text = to_metrics([told("a", slots=[], hops=[["node", "likes", "eu", counts]]), told("b", slots=[])]).decode()
    assert text.count("# TYPE live_connections gauge") == 1
    assert 'live_connections{process="a",protocol="sse"} 7.0' in text
    assert 'live_connections{process="b",protocol="sse"} 7.0' in text
    assert 'live_hop_seconds_count{event="likes",hop="node",process="a",region="eu"} 0.0' in text


async def test_region_has_its_own_figures(clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(Reporter("node"))
    monkeypatch.setattr(settings, "LIVE_REGION", "figured_too")
    assert await read() == []
    with contextlib.suppress(TableUnavailable):
        await shared_table().ping()
