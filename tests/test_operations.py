"""What the operator's page is told of processes and other regions, made of what processes tell."""

from __future__ import annotations

from typing import Any

from liveplatform.operations import HOPS, peers, shown_certificate, shown_process
from realtime import stamps
from realtime.telemetry import ProcessReport


def told(process: str, families: list[Any]) -> ProcessReport:
    name = process.partition("-")[0]
    return ProcessReport(
        {"process": process, "name": name, "began_ms": 1, "at_ms": 2, "families": families, "hops": []}, []
    )


def relay_of(process: str, waiting: float) -> ProcessReport:
    return told(
        process,
        [
            ["live_relay_waiting", "gauge", "", [["live_relay_waiting", {"peer": "us"}, waiting]]],
            [
                "live_relay_failures",
                "counter",
                "",
                [["live_relay_failures_total", {"peer": "ap", "reason": "timeout"}, 3.0]],
            ],
            ["live_relay_refused", "counter", "", [["live_relay_refused_total", {"reason": "forged"}, 9.0]]],
            [
                "live_relay_seconds",
                "histogram",
                "",
                [
                    ["live_relay_seconds_bucket", {"peer": "us", "le": "0.1"}, 5.0],
                    ["live_relay_seconds_count", {"peer": "us"}, 7.0],
                ],
            ],
        ],
    )


def test_peers_are_sums_over_the_relays() -> None:
    assert peers([relay_of("relay-a-1", 2.0), relay_of("relay-b-2", 1.0)]) == [
        {"peer": "ap", "figures": {"failures timeout": 6.0}},
        {"peer": "us", "figures": {"waiting": 3.0, "seconds_count": 14.0}},
    ]
    assert peers([told("node-a-1", [])]) == []


def showing(process: str, made_by: str, ends: float) -> ProcessReport:
    name = "live_tls_certificate_end_timestamp_seconds"
    return told(process, [[name, "gauge", "", [[name, {"made_by": made_by}, ends]]]])


def test_the_certificate_is_the_one_that_ends_first() -> None:
    nodes = [showing("node-a-1", "authority", 9.0), showing("node-a-2", "authority", 7.0), told("jobs-a-1", [])]
    assert shown_certificate(nodes) == {"ends_ms": 7_000.0, "is_self_made": False}
    nodes.append(showing("node-a-3", "itself", 99.0))
    assert shown_certificate(nodes) == {"ends_ms": 7_000.0, "is_self_made": True}
    assert shown_certificate([told("node-a-1", [])]) is None


def test_process_shows_what_is_known_of_it() -> None:
    held = [["live_connections", {"protocol": protocol}, 2.0] for protocol in ("sse", "websocket")]
    memory = ["process_resident_memory_bytes", "gauge", "", [["process_resident_memory_bytes", {}, 9e7]]]
    shown = {"began_ms": 1, "at_ms": 2, "cpu_s": None}
    assert shown_process(told("node-a-1", [["live_connections", "gauge", "", held], memory])) == {
        **shown, "process": "node-a-1", "connections": 4.0, "rss_bytes": 9e7,
    }  # fmt: skip
    assert shown_process(told("jobs-a-1", [])) == {
        **shown, "process": "jobs-a-1", "connections": None, "rss_bytes": None,
    }  # fmt: skip


def test_page_has_a_plot_for_each_hop() -> None:
    assert {*HOPS} == {*stamps.HOPS.values(), "written", "seen"}
