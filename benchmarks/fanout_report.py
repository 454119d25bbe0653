"""What `benchmarks/fanout.py` measured, as tables and as a plot, and how both get into docs/benchmarks.md."""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
TITLES = {
    "ours": "**liveplatform node**",
    "nchan": "nginx + nchan",
    "bare": "bare C loop",
    "pushpin": "Pushpin",
    "channels-pubsub": "Channels group per video, Redis pub/sub layer",
    "channels-core": "Channels group per video, Redis core layer",
    "channels-memory": "Channels group per video, in-memory layer",
    "eventstream": "django-eventstream",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one server. Microseconds are processor time per delivered frame; `idle_us` passes without frames.

    `wrong` is the number of viewers who have not read exactly the frames that were sent. `first` and `last` are the
    viewers accepted per second of the server's processor time, at the start and when nearly all are there.
    """

    server: str
    transport: str
    viewers: int
    frames: int
    user_us: float
    system_us: float
    idle_us: float
    frame_bytes: float
    viewer_kb: float
    first: float
    last: float
    wrong: int

    @property
    def us(self) -> float:
        return self.user_us + self.system_us


@dataclass(slots=True)
class Report:
    """All that one run measured. `missing`: servers that could not be measured, and why.

    `bystanders`: us a frame, alone and beside others. `small`: us per delivery, many small videos and one large.
    """

    samples: list[Sample] = field(default_factory=list)
    growth: list[Sample] = field(default_factory=list)
    bystanders: tuple[float, float] | None = None
    small: tuple[float, float] | None = None
    missing: dict[str, str] = field(default_factory=dict)
    command: str = ""


def median(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    return statistics.median(of(sample) for sample in samples)


def tables(report: Report) -> str:
    """Return everything measured as Markdown."""
    return "\n\n".join(part for part in (servers(report), growth(report)) if part)


def servers(report: Report) -> str:
    parts = [_servers(report, transport) for transport in ("sse", "websocket")]
    parts += [f"{TITLES[name]}: not measured, {why}." for name, why in report.missing.items()]
    return "\n\n".join(part for part in parts if part)


def growth(report: Report) -> str:
    return "\n\n".join(part for part in (_growth(report), _neighbours(report)) if part)


def _servers(report: Report, transport: str) -> str:
    rows = []
    of_all = [sample for sample in report.samples if sample.transport == transport]
    by_name = {name: [sample for sample in of_all if sample.server == name] for name in TITLES}
    floor = by_name["bare"]
    for name, samples in by_name.items():
        if not samples:
            continue
        us = median(samples, lambda sample: sample.us)
        # Of the same round, where there is one: other work on the machine slows both.
        ratios = [sample.us / other.us for sample, other in zip(samples, floor, strict=False) if other.us]
        rows.append(
            f"| {TITLES[name]} | {samples[0].viewers:,} | {us:.1f} | {median(samples, lambda s: s.user_us):.1f} "
            f"| {median(samples, lambda s: s.system_us):.1f} | {f'{statistics.median(ratios):.2f}' if ratios else ''} "
            f"| {median(samples, lambda s: s.viewer_kb):.1f} | {median(samples, lambda s: s.first):,.0f} "
            f"| {median(samples, lambda s: s.frame_bytes):.0f} | {sum(s.frames for s in samples)} in {len(samples)} "
            f"| {max(s.wrong for s in samples)} |"
        )
    if not rows:
        return ""
    head = (
        f"**{'SSE' if transport == 'sse' else 'WebSocket'}**\n\n"
        "| server | viewers | CPU per frame, µs | user | system | to bare C | KB per idle viewer | connects per CPU s "
        "| bytes | frames, rounds | viewers with a wrong count |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows)


def _growth(report: Report) -> str:
    if not report.growth:
        return ""
    rows = []
    keys = sorted({(s.viewers, s.transport) for s in report.growth}, key=lambda key: (key[1], key[0]))
    for viewers, transport in keys:
        here = [s for s in report.growth if (s.viewers, s.transport) == (viewers, transport)]
        ours = [s for s in here if s.server == "ours"]
        bare = [s for s in here if s.server == "bare"]
        cells = [f"{median(ours, lambda s: s.us):.1f}", f"{median(ours, lambda s: s.us - s.idle_us):.1f}"]
        cells.append(f"{median(bare, lambda s: s.us):.1f}" if bare else "")
        cells.append(f"{median(ours, lambda s: s.viewer_kb):.1f}")
        cells += [f"{median(ours, lambda s: s.first):,.0f}", f"{median(ours, lambda s: s.last):,.0f}"]
        rows.append(f"| {viewers:,} | {'SSE' if transport == 'sse' else 'WebSocket'} | {' | '.join(cells)} |")
    return (
        "**Growth**, one node of ours\n\n"
        "| viewers | | CPU per frame, µs | without what passes when idle | bare C loop | KB per idle viewer "
        "| connects per CPU s, the first | the last |\n|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def _neighbours(report: Report) -> str:
    lines = []
    if report.bystanders:
        alone, beside = report.bystanders
        lines.append(
            f"- A frame to 100 viewers of one video takes {alone:,.0f} µs of processor time when they are alone, "
            f"{beside:,.0f} µs beside viewers of another video who see none of it."
        )
    if report.small:
        many, one = report.small
        lines.append(
            f"- A frame each for 1,000 videos of 5 viewers costs {many:.1f} µs per delivery, a frame for one video of "
            f"5,000 costs {one:.1f} µs: {many / one:.2f} times."
        )
    return "\n".join(lines)


# The plot


def plot(report: Report) -> str:
    """Return an SVG: a bar per server and transport, its length the logarithm of the cost, light or dark."""
    names = [name for name in TITLES if any(sample.server == name for sample in report.samples)]
    left, width, line, top = 300, 420, 18, 46
    decades = 3.2  # from 1 us
    bars, y = [], top
    for name in names:
        title = TITLES[name].strip("*").replace("Channels group per video", "Channels group")
        bars.append(f'<text x="{left - 10}" y="{y + line - 1}" class="name">{title}</text>')
        for transport in ("sse", "websocket"):
            samples = [s for s in report.samples if (s.server, s.transport) == (name, transport)]
            if samples:
                us = median(samples, lambda sample: sample.us)
                length = width * min(1.0, _log10(us) / decades)
                bars.append(
                    f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{line - 4}" '
                    f'class="{transport}{" own" if name == "ours" else ""}"/>'
                    f'<text x="{left + length + 6:.1f}" y="{y + line - 7}">{us:,.1f}</text>'
                )
                y += line
        y += 12
    grid = ""
    for value in (1, 10, 100, 1_000):
        x = f"{left + width * _log10(value) / decades:.1f}"
        grid += (
            f'<line x1="{x}" x2="{x}" y1="{top - 6}" y2="{y}"/><text x="{x}" y="{y + 16}" class="tick">{value:,}</text>'
        )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {y + 26}" role="img">
<title>Server CPU per delivered frame</title>
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2328; }}
.name {{ text-anchor: end; }} .tick {{ text-anchor: middle; }}
line {{ stroke: #8b949e; stroke-opacity: .4; }}
.sse {{ fill: #6e7781; }} .websocket {{ fill: #afb8c1; }}
.sse.own {{ fill: #0969da; }} .websocket.own {{ fill: #54aeff; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }}
.sse {{ fill: #8b949e; }} .websocket {{ fill: #57606a; }}
.sse.own {{ fill: #58a6ff; }} .websocket.own {{ fill: #1f6feb; }}
}}
</style>
<text x="10" y="20">Server CPU per delivered frame, µs: shorter is better, the scale is logarithmic.</text>
<text x="790" y="20" text-anchor="end">upper bar SSE, lower WebSocket</text>
{grid}
{chr(10).join(bars)}
</svg>
"""


def _log10(value: float) -> float:
    return math.log10(max(value, 1.0))


# The page


def write(report: Report) -> None:
    """Rewrite the measured blocks of docs/benchmarks.md that this run has measured, and the plot of the servers."""
    page = DOCS / "benchmarks.md"
    text = page.read_text()
    for name, measured in (("servers", servers(report)), ("growth", growth(report))):
        if measured:
            block = (
                f"<!-- {name}: written by benchmarks/fanout.py -->\n{origin(report)}\n\n{measured}\n<!-- /{name} -->"
            )
            text = re.sub(f"<!-- {name}:.*?<!-- /{name} -->", partial(_the, block), text, flags=re.DOTALL)
    page.write_text(text)
    if report.samples:
        (DOCS / "images" / "fanout.svg").write_text(plot(report))


def _the(text: str, _: re.Match[str]) -> str:
    return text


def origin(report: Report) -> str:
    """Return the line that says where figures come from: machine, versions, date, command."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {importlib.metadata.version(name.lower())}" for name in ("Django", "Channels", "Daphne")]
    versions.append(f"channels_redis {importlib.metadata.version('channels-redis')}")
    if dpkg := shutil.which("dpkg-query"):
        for package in ("nginx", "libnginx-mod-nchan", "pushpin"):
            asked = subprocess.run([dpkg, "-W", "-f", "${Version}", package], capture_output=True, text=True)
            if asked.returncode == 0 and asked.stdout:
                versions.append(f"{package} {asked.stdout}")
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return (
        f"{datetime.date.today():%d %B %Y}, {cpu}, {os.cpu_count()} processors, Linux {platform.release()}; "
        f"{', '.join(versions)}. `{report.command}`"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
