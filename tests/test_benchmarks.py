"""The benchmark of the fan-out, small: its pieces work and its counts are right. What it measures is not looked at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fanout_report
from benchmarks.fanout_report import Report, Sample

VIEWERS = 60


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # It makes a database of its own beside the others of this test run's PostgreSQL.
    env = {**os.environ, "TEST_DATABASE_URL": os.environ["DATABASE_URL"]}
    argv = [sys.executable, "benchmarks/fanout.py", *arguments]
    return subprocess.run(argv, cwd=checkout, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> dict[str, Any]:
    if not (sys.platform == "linux" and shutil.which("gcc")):
        pytest.skip("the benchmark's client is a C program for Linux: no gcc")
    checkout: Path = request.getfixturevalue("checkout")
    done = run(checkout, "--quick", "--only", "ours,bare", "--viewers", str(VIEWERS), "--seconds", "0.2", "--json", "-")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_every_viewer_of_each_server_gets_every_frame(measured: dict[str, Any]) -> None:
    samples = measured["samples"]
    assert {(sample["server"], sample["transport"]) for sample in samples} == {
        (server, transport) for server in ("ours", "bare") for transport in ("sse", "websocket")
    }
    assert {(sample["viewers"], sample["wrong"]) for sample in samples} == {(VIEWERS, 0)}
    assert all(sample["frames"] >= 3 for sample in samples)


def test_servers_write_frames_of_the_same_size(measured: dict[str, Any]) -> None:
    """Ours tells the number of viewers too, now and then: its bytes a frame may be a little more."""
    sizes = {(sample["server"], sample["transport"]): sample["frame_bytes"] for sample in measured["samples"]}
    for transport in ("sse", "websocket"):
        assert sizes["ours", transport] >= sizes["bare", transport] > 120


def test_the_plot_is_one_picture_with_a_bar_for_each_cost() -> None:
    samples = [
        Sample(server, transport, 50, 3, 1.0, cost, 0.0, 130.0, 1.0, 1_000.0, 1_000.0, 0)
        for server, cost in (("ours", 8.0), ("bare", 5.0))
        for transport in ("sse", "websocket")
    ]
    picture = ElementTree.fromstring(fanout_report.plot(Report(samples)))
    bars = picture.findall("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert len(bars) == 4
    assert min(widths[:2]) > max(widths[2:])


def test_the_table_takes_medians_and_names_what_is_missing() -> None:
    samples = [
        Sample("bare", "sse", 50, 3, 0.0, cost, 0.0, 130.0, 1.0, 1_000.0, 1_000.0, 0) for cost in (5.0, 7.0, 50.0)
    ]
    text = fanout_report.tables(Report(samples, missing={"nchan": "no nginx"}))
    assert "| bare C loop | 50 | 7.0 |" in text
    assert "nginx + nchan: not measured, no nginx." in text


def test_a_server_that_it_does_not_know_is_refused_in_one_line(checkout: Path) -> None:
    done = run(checkout, "--only", "ours,theirs")
    assert done.returncode == 2
    assert "not theirs" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_everybody_of_a_small_crowd_arrives(checkout: Path) -> None:
    """It starts its site outside of a test run, as its users do: once that failed for want of what a run sets."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    options = ["--people", "12", "--seconds", "0.1", "--loads", "10", "--json", "-"]
    argv = [sys.executable, "benchmarks/arrival.py", *options]
    done = subprocess.run(argv, cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["people"], found["did not arrive"]) == (12, 0), done.stderr
    assert found["files"] > 50


def test_all_at_once_loses_nothing(checkout: Path) -> None:
    sizes = ["--size", "0.002", "--viewers", "10", "--people", "6", "--seconds", "10"]
    argv = [sys.executable, "benchmarks/everything.py", *sizes, "--json", "-"]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["viewers"], found["lost"], found["came"], found["did not come"]) == (10, 0, 6, 0), done.stderr
    assert found["likes in the database"] == 40_000


def test_a_room_is_clean_after_a_small_attack_and_no_honest_viewer_is_refused(checkout: Path) -> None:
    attacks = {"alike, moderator", "different, shield"}
    sizes = ["--honest", "8", "--attackers", "40", "--addresses", "4", "--rate", "30", "--seconds", "3"]
    only = [word for name in sorted(attacks) for word in ("--only", name)]
    argv = [sys.executable, "benchmarks/attack.py", *sizes, *only, "--json", "-"]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == attacks
    for name, figures in found.items():
        assert figures["refused"] > 0, name
        assert figures["on the fullest screen"] > 0, name
        assert figures["honest refused"] == 0, (name, done.stderr)


def test_a_site_grows_and_does_the_same_at_both_sizes(checkout: Path) -> None:
    argv = [sys.executable, "benchmarks/growth.py", "--size", "0.002", "--rounds", "1", "--json", "-"]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["ms"]) > 40
    given_up = {act for act, figures in found["ms"].items() if None in figures.values()}
    assert not given_up, done.stderr
    for table, rows in {"videos_like": 40_000, "videos_comment": 10_000, "accounts_viewer": 2_000}.items():
        assert found["sizes"]["large"][table]["rows"] >= rows, table


def test_quiet_videos_cost_a_site_hardly_a_command(checkout: Path) -> None:
    """A node renewed each topic: 17 commands, every two seconds."""
    argv = [sys.executable, "benchmarks/quiet.py", "--videos", "100", "--on", "2", "--seconds", "2", "--json", "-"]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["topics"] == 200
    assert found["commands/s"] < 200, found
