"""What a load test has found: keys for programs, and a page for people."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from loadtest import machine
from loadtest.page import to_html
from loadtest.plots import Plot, compact, line_plot, nice_step
from loadtest.report import to_json, to_line, to_text
from loadtest.run import Progress, Result, Sample
from tests.loadtest.fake_site import FakeSite
from tests.loadtest.runs import run


async def test_the_report_has_the_documented_keys(fake: FakeSite) -> None:
    told: list[Progress] = []
    result = await run(fake, told=told, seconds=1.1, likes_per_s=20)
    found = to_json(result)
    assert list(found)[:11] == [
        "viewers", "connected", "connects_per_s", "seconds", "frames_per_s", "like_deliveries_per_s", "latency_ms",
        "lost", "doubled", "out_of_order", "server",
    ]  # fmt: skip
    assert {name: list(values) for name, values in found["latency_ms"].items()} == {
        "comment": ["p50", "p90", "p99", "max"],
        "likes": ["p50", "p90", "p99", "max"],
    }
    assert found["server"] == {"cpu_s": None, "rss_mb": None, "parts": {}}
    json.dumps(found)
    assert to_text(result).endswith("passed")
    assert "6 of 6 viewers" in to_line(told[-1])


class _Page(HTMLParser):
    """Collects what a page would load or run, its text, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.references: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.references += [name for name, _ in attrs if name in ("src", "href", "style") or name.startswith("on")]
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles.append(data) if self._open[-1:] == ["style"] else None)
        self.text += data


def page_of(result: Result) -> tuple[str, _Page]:
    html = to_html(result, command="loadtest --json '<b>&'", at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    page = _Page()
    page.feed(html)
    page.close()
    return html, page


async def test_the_page_needs_nothing_else_and_allows_nothing_else(fake: FakeSite) -> None:
    html, page = page_of(await run(fake, seconds=2.2))
    assert page.references == []
    assert not page.elements.keys() & {"script", "link", "img", "iframe", "object", "base"}
    [style] = page.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in html
    assert "url(" not in style
    assert "@import" not in style
    assert "loadtest --json '<b>&'" in page.text  # escaped
    assert "2026-01-02 03:04" in page.text
    assert "Passed" in page.text
    assert page.elements["figure"] == 7
    assert page.elements["polyline"] >= 12


def test_the_page_of_a_failed_run_says_what_was_wrong() -> None:
    _, page = page_of(Result(viewers=10, connected=9, lost_comments=3, refused=Counter({"<no>": 2})))
    assert "Failed" in page.text
    assert "3 comments lost, 2 requests refused, 1 viewers not connected" in page.text
    assert page.text.count("nothing was measured") == 7


def test_the_page_has_a_row_for_each_process_and_hop() -> None:
    cost = machine.Cost(2.5, 10_000_000)
    result = Result(viewers=1, connected=1, seconds=5, processes=[("node 1", cost)], hop_nodes=2)
    result.hops_ms = {"committed": {"p50": 1.25, "p90": None, "p99": 9.0}}
    _, page = page_of(result)
    assert "node 12.500.5010" in page.text.replace("\n", "")
    assert "committed1.2-9.0" in page.text.replace("\n", "")


def test_a_line_has_a_gap_where_nothing_was_measured() -> None:
    plot = line_plot(Plot("h", "s", "ms"), [1, 2, 3, 4, 5], {"p50": [1, 2, None, 4, None]})
    lines = re.findall(r'<polyline class="line0" points="([^"]+)"/>', plot)
    assert [len(line.split()) for line in lines[:2]] == [2, 2]
    assert "3 s: </title>" in plot
    assert "4 s: p50 4 ms</title>" in plot


@pytest.mark.parametrize(("highest", "step"), [(1, 0.5), (4, 1), (4.1, 2), (99, 50), (0.003, 0.001), (0, 1)])
def test_axes_have_round_steps(highest: float, step: float) -> None:
    assert nice_step(highest) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (12.4, "12"), (950, "950"), (1_200, "1.2k"), (2e6, "2M")]
)
def test_numbers_are_short_on_axes(value: float, text: str) -> None:
    assert compact(value) == text


async def test_each_second_of_the_load_is_a_sample(fake: FakeSite) -> None:
    result = await run(fake, seconds=3.2, likes_per_s=20, comments_per_s=5)
    assert len(result.samples) >= 2
    assert all(isinstance(sample, Sample) for sample in result.samples)
    assert [sample.at_seconds for sample in result.samples] == sorted(sample.at_seconds for sample in result.samples)
    assert sum(sample.like_deliveries for sample in result.samples) > 0
    assert all(sample.connected == 6 and "generator" in sample.cpu for sample in result.samples)
    assert sum(result.distribution["likes"].values()) == 6 * 64
