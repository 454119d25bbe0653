"""`/metrics/region` of a real site: every process of it, by name."""

from __future__ import annotations

import socket

import httpx
from prometheus_client.parser import text_string_to_metric_families

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
