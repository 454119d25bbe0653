"""Plots as inline SVG: made of text, without script, coloured by the page's stylesheet. Called by `page`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 14, 30  # margins
TICKS = 4


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot shows: a heading, a sentence for people who cannot see it, and the unit of its y axis."""

    heading: str
    sentence: str
    unit: str


def compact(value: float) -> str:
    """Return a number as an axis shows it: 950, 1.2k, 35k, 1.4M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f}".removesuffix(".0") + letter
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def nice_step(highest: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that reaches `highest` within TICKS steps."""
    if highest <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(highest / TICKS))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * TICKS >= highest * 0.999)


def line_plot(plot: Plot, at: Sequence[float], series: Mapping[str, Sequence[float | None]]) -> str:
    """Return a plot of lines over seconds; None leaves a gap. The n-th line has the class `line<n>`."""
    shown = [value for values in series.values() for value in values if value is not None]
    if not shown:
        return _figure(plot, '<text class="none" x="50%" y="50%">nothing was measured</text>', ())
    step = nice_step(max(shown))
    top = step * math.ceil(max(shown) / step - 1e-9) or step
    last = max(at[-1], 1.0)

    def x(seconds: float) -> float:
        return LEFT + seconds / last * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = [_y_axis(top, step, y)]
    every = nice_step(last)
    for number in range(int(last / every) + 1):
        label = f"{number * every:g}" + (" s" if (number + 1) * every > last else "")
        parts.append(f'<text class="tick x" x="{x(number * every):.1f}" y="{HEIGHT - 10}">{label}</text>')
    for place, values in enumerate(series.values()):
        parts += [
            f'<polyline class="line{place}" points="{points}"/>'
            for points in _runs([(x(s), None if v is None else y(v)) for s, v in zip(at, values, strict=True)])
        ]
    for place, seconds in enumerate(at):
        label = ", ".join(
            f"{name} {compact(value)} {plot.unit}"
            for name, values in series.items()
            if (value := values[place]) is not None
        )
        begin = x(at[place - 1]) if place else LEFT
        parts.append(_hover(begin, x(seconds) - begin, f"{seconds:.0f} s: {label}"))
    return _figure(plot, "".join(parts), series)


def bar_plot(plot: Plot, series: Mapping[str, Mapping[float, int]]) -> str:
    """Return a plot of shares in per cent, by upper bounds (`Histogram.distribution`), one colour for each series."""
    bounds = sorted({bound for counts in series.values() for bound in counts})
    totals = {name: sum(counts.values()) for name, counts in series.items()}
    shares = {
        name: [100 * counts.get(bound, 0) / (totals[name] or 1) for bound in bounds] for name, counts in series.items()
    }
    if not bounds:
        return _figure(plot, '<text class="none" x="50%" y="50%">nothing was measured</text>', ())
    highest = max(max(values) for values in shares.values())
    step = nice_step(highest)
    top = step * math.ceil(highest / step - 1e-9)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    place_width = (WIDTH - LEFT - RIGHT) / len(bounds)
    bar_width = 0.84 * place_width / len(series)
    parts = [_y_axis(top, step, y)]
    every = -(-len(bounds) // 6)
    for place, bound in enumerate(bounds):
        left = LEFT + place * place_width
        if place % every == every - 1 or len(bounds) == 1:
            parts.append(
                f'<text class="tick x" x="{left + place_width / 2:.1f}" y="{HEIGHT - 10}">&#8804; {_ms(bound)}</text>'
            )
        for number, values in enumerate(shares.values()):
            parts.append(
                f'<rect class="bar{number}" x="{left + 0.08 * place_width + number * bar_width:.1f}" '
                f'y="{y(values[place]):.1f}" width="{bar_width:.1f}" height="{y(0) - y(values[place]):.1f}"/>'
            )
        label = ", ".join(f"{name} {values[place]:.1f} %" for name, values in shares.items())
        parts.append(_hover(left, place_width, f"up to {_ms(bound)} ms: {label}"))
    return _figure(plot, "".join(parts), series, kind="bar")


def _ms(bound: float) -> str:
    return f"{bound:,.0f}" if bound >= 10 else f"{bound:.2g}"


def _y_axis(top: float, step: float, y: Callable[[float], float]) -> str:
    parts = []
    for number in range(round(top / step) + 1):
        at = y(number * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick y" x="{LEFT - 8}" y="{at + 4:.1f}">{compact(number * step)}</text>')
    return "".join(parts)


def _runs(points: Sequence[tuple[float, float | None]]) -> list[str]:
    """Return the points of each stretch without a gap. A single point becomes a short line."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [
        " ".join(f"{x:.1f},{y:.1f}" for x, y in (run if len(run) > 1 else [run[0], (run[0][0] + 2, run[0][1])]))
        for run in runs
        if run
    ]


def _hover(x: float, width: float, text: str) -> str:
    """Return a column that shows its numbers to people who point at it."""
    return (
        f'<rect class="hover" x="{x:.1f}" y="{TOP}" width="{max(width, 0.5):.1f}" height="{HEIGHT - TOP - BOTTOM}">'
        f"<title>{escape(text)}</title></rect>"
    )


def _figure(plot: Plot, body: str, names: Mapping[str, object] | Sequence[str], *, kind: str = "line") -> str:
    legend = "".join(
        f'<li><svg viewBox="0 0 24 10" aria-hidden="true">{_key(kind, place)}</svg>{escape(name)}</li>'
        for place, name in enumerate(names)
    )
    return (
        f"<figure><h2>{escape(plot.heading)} <small>{escape(plot.unit)}</small></h2>"
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.sentence)}">{body}</svg>'
        f'<ul class="legend">{legend}</ul><figcaption>{escape(plot.sentence)}</figcaption></figure>'
    )


def _key(kind: str, place: int) -> str:
    if kind == "bar":
        return f'<rect class="bar{place}" x="6" width="10" height="10"/>'
    return f'<polyline class="line{place}" points="0,5 24,5"/>'
