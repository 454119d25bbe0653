"""`/metrics/region` of a real site: every process of it, by name."""

from __future__ import annotations

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

    wait_for(lambda: names().count("node") == len(site.nodes) and "dispatcher" in names(), "every process")
    pids = {int(process.rpartition("-")[2]) for process in processes(site)}
    assert {node.pid for node in site.nodes} <= pids
