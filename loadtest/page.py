"""The result as one page that needs nothing else: no script, no other file, plots drawn as SVG (`plots`).

Called by `manage.py loadtest --report`. The page's own policy (a meta element) allows only the stylesheet inside, by
its hash. So the page opens in the same way from a disk, a mail or an artefact of CI.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape

from loadtest.machine import Cost, describe_machine
from loadtest.plots import Plot, bar_plot, compact, line_plot
from loadtest.run import Result, Sample
from realtime.metrics import QUANTILES

STYLE = """
:root {
  color-scheme: light dark;
  --bg: light-dark(#fafbfc, #0c0f14); --raised: light-dark(#ffffff, #13181f); --line: light-dark(#dde2e8, #262f3a);
  --text: light-dark(#14181f, #e9eef4); --muted: light-dark(#545e6c, #9aa7b6);
  --good: light-dark(#12724a, #58d39b); --bad: light-dark(#b3261e, #ffa093);
  --c0: light-dark(#1a5fd0, #7db4ff); --c1: light-dark(#c2341d, #ff8a75); --c2: light-dark(#7a3fc4, #c5a3ff);
  --c3: light-dark(#12724a, #58d39b); --c4: light-dark(#8a5a00, #f2c14b); --c5: light-dark(#0b6f83, #5fd0e6);
  --c6: light-dark(#545e6c, #9aa7b6); --c7: light-dark(#14181f, #e9eef4);
}
* { box-sizing: border-box; }
html { font: 100%/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  background: var(--bg); color: var(--text); -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
  font-variant-numeric: tabular-nums; }
body { margin: 0; }
main { max-inline-size: 1200px; margin-inline: auto; padding: 24px 16px 48px; display: grid; gap: 24px; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 0 0 8px; font-size: 1rem; }
h2 small { font-weight: 400; color: var(--muted); }
p { margin: 8px 0 0; color: var(--muted); }
code { font: 0.875rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  overflow-wrap: anywhere; }
pre { margin: 16px 0 0; padding: 12px 16px; border: 1px solid var(--line); border-radius: 12px;
  background: var(--raised); white-space: pre-wrap; }
.head { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; }
.verdict { padding: 4px 14px; border: 1px solid currentColor; border-radius: 999px; font-weight: 650; }
.passed { color: var(--good); }
.failed { color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0; }
.cards div { padding: 12px 16px; border: 1px solid var(--line); border-radius: 12px; background: var(--raised); }
.cards dt { font-size: 0.875rem; color: var(--muted); }
.cards dd { margin: 0; font-size: 1.5rem; font-weight: 650; }
.cards small { white-space: nowrap; font-size: 0.875rem; font-weight: 400; color: var(--muted); }
.parts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; }
figure, .table { margin: 0; padding: 16px; border: 1px solid var(--line); border-radius: 12px;
  background: var(--raised); min-inline-size: 0; }
.plot { display: block; inline-size: 100%; block-size: auto; overflow: visible; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 4px 0 0; padding: 0; list-style: none;
  font-size: 0.875rem; }
.legend svg { inline-size: 24px; block-size: 10px; margin-inline-end: 6px; }
figcaption { margin-block-start: 8px; font-size: 0.875rem; color: var(--muted); }
.grid { stroke: var(--line); stroke-width: 1; }
.tick, .none { fill: var(--muted); font-size: 13px; }
.tick.y { text-anchor: end; }
.tick.x, .none { text-anchor: middle; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line0 { stroke: var(--c0); }
.line1 { stroke: var(--c1); stroke-width: 2.5; }
.line2 { stroke: var(--c2); stroke-dasharray: 6 4; }
.line3 { stroke: var(--c3); stroke-dasharray: 2 4; }
.line4 { stroke: var(--c4); }
.line5 { stroke: var(--c5); stroke-dasharray: 10 4; }
.line6 { stroke: var(--c6); }
.line7 { stroke: var(--c7); stroke-dasharray: 2 6; }
.bar0 { fill: var(--c0); }
.bar1 { fill: var(--c1); }
.hover { fill: transparent; }
.hover:hover { fill: var(--text); opacity: 0.08; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; inline-size: 100%; font-size: 0.9375rem; }
th, td { padding: 6px 0 6px 16px; border-block-start: 1px solid var(--line); text-align: end; white-space: nowrap; }
th:first-child, td:first-child { padding-inline-start: 0; text-align: start; }
thead th { border: 0; font-weight: 400; color: var(--muted); }
tbody th { font-weight: 400; }
tr.bad td { color: var(--bad); font-weight: 650; }
@media (max-width: 480px) {
  table { font-size: 0.875rem; }
  th, td { padding-inline-start: 10px; }
}
@media print { figure, .table, .cards div { break-inside: avoid; } }
"""


def to_html(result: Result, *, command: str, at: datetime) -> str:
    """Return the page. `command` is what was run, `at` when it ended."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    verdict = "passed" if result.passed else "failed"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{digest}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Load test, {verdict}: {result.viewers:,} viewers</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<div class="head"><h1>Load test</h1><span class="verdict {verdict}">{verdict.capitalize()}</span></div>
<p>{escape(_sentence(result))}</p>
<pre><code>{escape(command)}</code></pre>
<p>{escape(describe_machine())} · {at:%Y-%m-%d %H:%M} UTC</p>
</header>
{_cards(result)}
<section class="parts">
{_plots(result)}
{_tables(result)}
</section>
</main>
</body>
</html>
"""


def _sentence(result: Result) -> str:
    wrong = [
        f"{count:,} {what}"
        for count, what in (
            (result.lost_comments, "comments lost"),
            (result.wrong_totals, "like totals wrong at the end"),
            (result.doubled, "comments doubled"),
            (result.disordered_comments, "comments out of order"),
            (result.totals_went_back, "like totals went back"),
            (result.refused.total(), "requests refused"),
            (result.viewers - result.connected, "viewers not connected"),
        )
        if count
    ]
    if wrong:
        return f"Not what the site promises: {', '.join(wrong)}, summed over viewers."
    return "Every viewer saw every like and comment, comments once and in order."


def _cards(result: Result) -> str:
    seconds = result.seconds or 1.0
    figures = (
        ("Viewers", f"{result.connected:,}", f"of {compact(result.viewers)}"),
        ("Connects", compact(result.connects_per_s), "/s"),
        ("Likes delivered", compact(result.like_deliveries / seconds), "/s"),
        ("Frames delivered", compact(result.frames / seconds), "/s"),
        *((f"{name.capitalize()} p90", _number(values["p90"]), "ms") for name, values in result.latency_ms.items()),
    )
    cards = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value} <small>{unit}</small></dd></div>" for name, value, unit in figures
    )
    return f'<dl class="cards">{cards}</dl>'


def _plots(result: Result) -> str:
    samples = result.samples
    at = [sample.at_seconds for sample in samples]
    plots = [
        line_plot(
            Plot(heading, f"From the moment {what} was sent to the moment a viewer read it, second by second.", "ms"),
            at,
            {name: [sample.latency_ms[event][name] for sample in samples] for name in QUANTILES},
        )
        for event, heading, what in (
            ("likes", "Latency of likes", "a like"),
            ("comment", "Latency of comments", "a comment"),
        )
    ]
    plots.append(
        bar_plot(
            Plot(
                "How latency is spread", "The share of deliveries by their latency in ms; each bar is 26 % wider.", "%"
            ),
            result.distribution,
        )
    )
    for heading, sentence, unit, names in (
        ("Delivered", "What all viewers together read.", "per second", ("like_deliveries", "frames")),
        ("Sent", "Likes and comments that went out.", "per second", ("likes_sent", "comments_sent")),
        ("Viewers", "Connections that stand: fewer when viewers flap or are thrown out.", "", ("connected",)),
    ):
        plots.append(
            line_plot(Plot(heading, sentence, unit), at, {_words(name): _rates(samples, name) for name in names})
        )
    parts = sorted({part for sample in samples for part in sample.cpu}, key=lambda part: -_spent(samples, part))
    plots.append(
        line_plot(
            Plot("Processor", "Cores that each part kept busy; the generator is this load test itself.", "cores"),
            at,
            {part: [sample.cpu.get(part) for sample in samples] for part in parts[:8]},
        )
    )
    return "\n".join(plots)


def _words(name: str) -> str:
    return {"like_deliveries": "likes x viewers", "frames": "frames"}.get(name, name.partition("_")[0])


def _rates(samples: Sequence[Sample], name: str) -> list[float | None]:
    return [float(getattr(sample, name)) for sample in samples]


def _spent(samples: Iterable[Sample], part: str) -> float:
    return sum(sample.cpu.get(part, 0.0) for sample in samples)


def _tables(result: Result) -> str:
    tables = [
        _table("Processes", "during the load", ("", "CPU s", "cores", "MB"), _process_rows(result)),
        _table(
            "Latency",
            "ms",
            ("", *QUANTILES, "max"),
            [(name, *map(_number, values.values())) for name, values in result.latency_ms.items()],
        ),
        _table(
            "Verdict",
            "summed over viewers",
            ("", ""),
            [
                ("comments lost", f"{result.lost_comments:,}"),
                ("comments doubled", f"{result.doubled:,}"),
                ("comments out of order", f"{result.disordered_comments:,}"),
                ("like totals wrong at the end", f"{result.wrong_totals:,}"),
                ("like totals that went back", f"{result.totals_went_back:,}"),
                ("requests refused", f"{result.refused.total():,}"),
            ],
            is_bad=lambda row: row[1] != "0",
        ),
        _table(
            "Connections",
            "",
            ("", ""),
            [
                ("reconnects", f"{result.reconnects:,}"),
                ("closed on purpose (flapping)", f"{result.flaps:,}"),
                ("thrown out by the site (slow)", f"{result.evictions:,}"),
                ("resets", f"{result.resets:,}"),
                ("requests repeated", f"{result.repeated.total():,}"),
                *((f"trouble: {reason}", f"{count:,}") for reason, count in result.troubles.most_common(8)),
            ],
        ),
    ]
    if result.hops_ms:
        tables.insert(
            2,
            _table(
                "Hops",
                f"ms, by the histograms of {result.hop_nodes} nodes",
                ("", *QUANTILES),
                [(name, *map(_number, values.values())) for name, values in result.hops_ms.items()],
            ),
        )
    return "\n".join(tables)


def _process_rows(result: Result) -> list[tuple[str, ...]]:
    seconds = result.seconds or 1.0

    def row(name: str, cost: Cost) -> tuple[str, ...]:
        memory = f"{cost.rss_bytes / 1e6:,.0f}" if cost.rss_bytes else ""
        return name, f"{cost.cpu_seconds:,.2f}", f"{cost.cpu_seconds / seconds:.2f}", memory

    rows = [row(name, cost) for name, cost in result.processes]
    rows.append(
        row(
            f"generator, {result.generator_processes} processes",
            Cost(result.generator_cpu_seconds, result.generator_rss_bytes),
        )
    )
    if result.elsewhere_cpu_seconds is not None:
        rows.append(row("everything else", Cost(result.elsewhere_cpu_seconds)))
    return rows


def _table(
    heading: str,
    note: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    is_bad: Callable[[Sequence[str]], bool] = lambda row: False,
) -> str:
    cells = "".join(
        f'<tr{" class=bad" if is_bad(row) else ""}><th scope="row">{escape(row[0])}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head) if any(head) else ""
    return (
        f'<div class="table"><h2>{escape(heading)} <small>{escape(note)}</small></h2><div class="scroll">'
        f"<table>{names and f'<thead><tr>{names}</tr></thead>'}<tbody>{cells}</tbody></table></div></div>"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
