"""What a load test found, for people and for programs. Called by `manage.py loadtest`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from loadtest.machine import Cost
from loadtest.run import Progress, Result
from realtime.metrics import QUANTILES

OWN_PARTS = ("supervisor", "node", "dispatcher", "jobs")
"""The site's processes that run this project's code. `server` is their sum."""

BUSY = 0.9


def to_json(result: Result) -> dict[str, Any]:
    """Return the result: the documented keys first, then details."""
    seconds = result.seconds or 1.0
    return {
        "viewers": result.viewers,
        "connected": result.connected,
        "connects_per_s": round(result.connects_per_s, 1),
        "seconds": round(result.seconds, 3),
        "frames_per_s": round(result.frames / seconds, 1),
        "like_deliveries_per_s": round(result.like_deliveries / seconds, 1),
        "latency_ms": result.latency_ms,
        "lost": result.lost,
        "doubled": result.doubled,
        "out_of_order": result.out_of_order,
        "server": _server(result.server),
        "passed": result.passed,
        "lost_comments": result.lost_comments,
        "wrong_totals": result.wrong_totals,
        "disordered_comments": result.disordered_comments,
        "totals_went_back": result.totals_went_back,
        "likes_sent": result.likes_sent,
        "comments_sent": result.comments_sent,
        "requests_refused": result.refused.total(),
        "requests_repeated": result.repeated.total(),
        "reconnects": result.reconnects,
        "resets": result.resets,
        "flaps": result.flaps,
        "evictions": result.evictions,
        "connection_troubles": dict(result.troubles),
        "hops_ms": result.hops_ms,
        "hop_nodes": result.hop_nodes,
        "generator": {
            "cpu_s": round(result.generator_cpu_seconds, 2),
            "rss_mb": round(result.generator_rss_bytes / 1e6, 1),
            "processes": result.generator_processes,
            "busiest": round(result.busiest_generator, 3),
            "behind_ms": round(result.behind_ms, 1),
        },
        "elsewhere_cpu_s": None if result.elsewhere_cpu_seconds is None else round(result.elsewhere_cpu_seconds, 2),
    }


def _server(parts: Mapping[str, Cost] | None) -> dict[str, Any]:
    if parts is None:
        return {"cpu_s": None, "rss_mb": None, "parts": {}}
    return {
        "cpu_s": round(sum(cost.cpu_seconds for part, cost in parts.items() if part in OWN_PARTS), 2),
        "rss_mb": round(sum(cost.rss_bytes for part, cost in parts.items() if part in OWN_PARTS) / 1e6, 1),
        "parts": {
            part: {"cpu_s": round(cost.cpu_seconds, 2), "rss_mb": round(cost.rss_bytes / 1e6, 1)}
            for part, cost in sorted(parts.items())
        },
    }


def to_text(result: Result) -> str:
    """Return the result as a table for people."""
    found = to_json(result)
    lines = [
        f"viewers     {result.connected:,} of {result.viewers:,} connected, {result.connects_per_s:,.0f}/s",
        f"sent        {result.likes_sent:,} likes and {result.comments_sent:,} comments in {result.seconds:.1f} s"
        f"{_late(result.behind_ms)}",
        f"delivered   {found['frames_per_s']:,.0f} frames/s, {found['like_deliveries_per_s']:,.0f} likes/s",
        "latency     " + "".join(f"{name:>10}" for name in ("p50", "p90", "p99", "max")) + "  ms",
        *(_latency(name, values) for name, values in result.latency_ms.items()),
        f"comments    {result.lost_comments:,} lost, {result.doubled:,} doubled, "
        f"{result.disordered_comments:,} out of order",
        f"like totals {result.wrong_totals:,} wrong at the end, {result.totals_went_back:,} went back",
        f"connections {result.reconnects:,} reconnects, {result.resets:,} resets{_reasons(result.troubles)}",
    ]
    if result.flaps or result.evictions:
        lines.append(f"on purpose  {result.flaps:,} times closed, {result.evictions:,} times thrown out for slowness")
    if result.hops_ms:
        lines.append(f"hops        {''.join(f'{name:>10}' for name in QUANTILES)}  ms, by {result.hop_nodes} nodes")
        lines += [_latency(name, values) for name, values in result.hops_ms.items()]
    if result.refused or result.repeated:
        lines.append(
            f"requests    {result.refused.total():,} refused{_reasons(result.refused)}, "
            f"{result.repeated.total():,} repeated{_reasons(result.repeated)}"
        )
    lines += [_cost(part, cost, result.seconds) for part, cost in sorted((result.server or {}).items())]
    generator = Cost(result.generator_cpu_seconds, result.generator_rss_bytes)
    lines.append(f"{_cost('generator', generator, result.seconds)}{_busy(result)}")
    if result.elsewhere_cpu_seconds is not None:
        lines.append(_cost("others", Cost(result.elsewhere_cpu_seconds), result.seconds))
    lines.append("passed" if result.passed else "FAILED")
    return "\n".join(lines)


def _late(behind_ms: float) -> str:
    return f"; at most {behind_ms:,.0f} ms behind the schedule" if behind_ms >= 10 else ""


def _busy(result: Result) -> str:
    """Say how many processes the generator has, and whether one was too busy to measure the site well."""
    text = f", {result.generator_processes} processes"
    if result.busiest_generator >= BUSY:
        text += f", one of them {100 * result.busiest_generator:.0f} % busy: latencies include its own"
    return text


def _latency(name: str, values: Mapping[str, float | None]) -> str:
    cells = "".join(f"{'-' if value is None else format(value, ',.1f'):>10}" for value in values.values())
    return f"  {name:<10}{cells}"


def _reasons(reasons: Counter[str]) -> str:
    return f" ({', '.join(f'{count:,} x {reason}' for reason, count in reasons.most_common(3))})" if reasons else ""


def _cost(part: str, cost: Cost, seconds: float) -> str:
    share = 100 * cost.cpu_seconds / (seconds or 1.0)
    memory = f", {cost.rss_bytes / 1e6:,.0f} MB" if cost.rss_bytes else ""
    return f"{part:<12}{cost.cpu_seconds:.2f} s of CPU, {share:.0f} % of a core{memory}"


def to_line(progress: Progress) -> str:
    """Return one line that says what happens now."""
    text = f"{progress.phase}: {progress.connected:,} of {progress.viewers:,} viewers"
    if progress.likes_sent or progress.comments_sent:
        text += f", {progress.likes_sent:,} likes and {progress.comments_sent:,} comments sent"
        text += f", {progress.frames_per_s:,.0f} frames/s"
        p90s = ((name, values["p90"]) for name, values in progress.latency_ms.items())
        text += "".join(f", {name} p90 {p90:.0f} ms" for name, p90 in p90s if p90 is not None)
    return text + (f", {progress.troubles:,} troubles" if progress.troubles else "")
