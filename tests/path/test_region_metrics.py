"""`/metrics/region` of a real site: every process of it, by name."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from liveplatform import asgi
from tests.kit import sample
from tests.rooms import counted
from tests.sites import Site, wait_for


def processes(site: Site) -> set[str]:
    """Return which processes are in the region's metrics."""
    text = httpx.get(f"{site.urls[1]}/metrics/region").raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.labels["process"] for sample in samples if sample.name == "live_dispatch_batches_total"}


def test_every_process_of_the_region_is_there_with_its_name(site: Site) -> None:
    def names() -> list[str]:
        return sorted(process.partition("-")[0] for process in processes(site))

    # With process ids for numbers each restart made hundreds of new series.
    wait_for(lambda: names().count("node") == len(site.nodes) and "dispatcher" in names(), "every process")
    host = socket.gethostname()
    assert {f"node-{host}-1", f"node-{host}-2", f"dispatcher-{host}-1"} <= processes(site)


def test_answers_queues_and_servers_are_counted_for_the_region(site: Site) -> None:
    """Nothing counted requests: 500s were in the log alone. Nor did anything say how much waits for a dispatcher."""

    def value(name: str, **labels: str) -> float:
        return counted(httpx.get(f"{site.urls[1]}/metrics/region"), name, **labels)

    missing = {"kind": "api", "status": "404"}
    before = value("live_http_requests_total", **missing)
    for _ in range(3):
        assert httpx.get(f"{site.urls[0]}/api/v1/nothing").status_code == 404
    wait_for(lambda: value("live_http_requests_total", **missing) == before + 3, "the answers to be told")
    assert value("live_http_requests_total", kind="probe", status="200") > 0
    assert (value("live_postgres_up"), value("live_redis_up")) == (1, 1)
    text = httpx.get(f"{site.urls[0]}/metrics/region").text
    assert all(f'live_queue_length{{queue="{queue}"}}' in text for queue in ("dispatch", "jobs"))


async def test_a_failure_is_counted_as_the_500_that_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(asgi, "http", fails)
    for path, kind in (("/api/v1/videos", "api"), ("/events", "stream"), ("/", "page")):
        before = sample("live_http_requests_total", kind=kind, status="500")
        with pytest.raises(RuntimeError):
            await asgi.counted_http({"path": path}, None, None)  # type: ignore[arg-type]
        assert sample("live_http_requests_total", kind=kind, status="500") == before + 1
