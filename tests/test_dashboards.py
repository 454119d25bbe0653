"""What deploy/ shows and alarms by is there: each metric in a question exists, with the labels that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from realtime import metrics
from realtime.telemetry import of_site

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "deploy" / "grafana" / "liveplatform.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
ADDED = {"job", "site", "instance", "process"}  # by prometheus.yml, and by /metrics/region
OF_PROMETHEUS = {"up"}

_SELECTOR = re.compile(r"\b([a-z][a-z_]*)\b\s*(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\bby\s*\(([^)]*)\)")


def named(metric: MetricWrapperBase) -> str:
    [family] = metric.describe()
    return family.name


def known() -> dict[str, set[str]]:
    """Return the names of samples that there may be, each with its labels."""
    found: dict[str, set[str]] = {}
    for name in dir(metrics):
        metric = getattr(metrics, name)
        labels = set(getattr(metric, "_labelnames", ()))
        if isinstance(metric, Counter):
            found[f"{named(metric)}_total"] = labels
        elif isinstance(metric, Gauge):
            found[named(metric)] = labels
        elif isinstance(metric, Histogram):
            found |= {f"{named(metric)}{end}": labels | {"le"} for end in ("_bucket", "_count", "_sum")}
    hops = set(metrics.HopSeconds.LABELS) | {"le"}
    found |= {f"{metrics.HopSeconds.NAME}{end}": hops for end in ("_bucket", "_count", "_sum")}
    found |= {family.name: {"queue"} for family in of_site(database_is_up=True, queues={})}
    of_process = (sample.name for family in REGISTRY.collect() for sample in family.samples)
    return found | {name: set() for name in of_process if name.startswith("process_")}


def questions() -> Iterator[tuple[str, str]]:
    """Yield where each question stands, and the question."""
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]
    # Each rule's expr: in one line, or folded (>-) over those that are indented deeper.
    for name, expr in re.findall(r"- alert: (\w+)\n +expr: (?:>-\n)?((?:.+\n)+?) {8}for:", ALERTS.read_text()):
        yield name, " ".join(expr.split())


ALL = list(questions())


@pytest.mark.parametrize(("place", "question"), ALL, ids=[f"{place} {number}" for number, (place, _) in enumerate(ALL)])
def test_every_metric_that_is_asked_for_exists_with_its_labels(place: str, question: str) -> None:
    names = {name: labels for name, labels in _SELECTOR.findall(question) if name.startswith(("live_", "process_"))}
    samples = known()
    grouped = {label for group in _GROUPING.findall(question) for label in re.findall(r"\w+", group)}
    assert names or OF_PROMETHEUS & set(re.findall(r"\w+", question)), f"{place} asks for nothing of ours"
    for name, selector in names.items():
        assert name in samples, f"{place}: there is no {name}"
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert asked <= samples[name] | ADDED, (place, name)
    assert grouped <= ADDED.union(*(samples[name] for name in names)), place


def test_hops_that_are_asked_for_are_told() -> None:
    from realtime.stamps import HOPS

    hops = {hop for _, question in ALL for hop in re.findall(r'hop="(\w+)"', question)}
    assert hops == {*HOPS.values(), "written", "seen"}


def test_alerts_do_not_depend_on_the_name_of_the_job() -> None:
    """With a job named by its region one never fired and one fired for ever; `absent()` speaks of all sites at once."""
    assert not re.search(r"\bjob\b|\babsent", " ".join(question for place, question in ALL if place.startswith("Live")))


def test_every_alert_says_how_bad_it_is_and_what_is_the_matter() -> None:
    text = ALERTS.read_text()
    alerts = re.findall(r"- alert: (\w+)", text)
    assert len(alerts) == len(set(alerts)) == text.count("severity: ") == text.count("summary: ") >= 8
    assert set(re.findall(r"severity: (\w+)", text)) == {"page", "ticket"}


def test_panels_of_the_dashboard_say_what_they_show_and_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert all(panel["title"] and panel["description"].endswith(".") for panel in panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
