"""`manage.py loadtest` against a real site, and what it says when it cannot work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest
from django.core.management import call_command

from tests.sites import CHECKOUT, Site, wait_for

LEFTOVERS = """
SELECT (SELECT count(*) FROM accounts_viewer WHERE username LIKE 'loadtest-%')
     + (SELECT count(*) FROM videos_video WHERE title = 'Load test')
     + (SELECT count(*) FROM realtime_topic t
        WHERE NOT EXISTS (SELECT FROM videos_video v WHERE 'video:' || v.id = t.name) AND t.name LIKE 'video:%')
"""


def leftovers(site: Site) -> int:
    """Return how many rows of load tests are in the site's database."""
    with psycopg.connect(site.database_url) as connection:
        [count] = connection.execute(LEFTOVERS).fetchone() or [0]
        return int(count)


@contextlib.contextmanager
def started(site: Site, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run a load test beside the test; its progress lines arrive in the list. What still runs at the end is killed."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "loadtest", "--url", site.urls[0], *arguments],
        cwd=CHECKOUT,
        env=site.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []

    def read(stream: IO[str]) -> None:
        lines.extend(stream)  # as they come

    assert process.stdout
    assert process.stderr
    reader = threading.Thread(target=read, args=(process.stderr,))
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def is_under_load(lines: list[str]) -> bool:
    return any(line.startswith("load:") for line in lines)


def test_every_viewer_of_a_real_site_sees_every_like_and_comment(site: Site) -> None:
    done = site.manage(
        "loadtest", "--nodes", *site.urls, "--viewers", "50", "--likes", "40", "--comments", "10", "--seconds", "2",
        "--transport", "mix", "--json", "-",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["viewers"], found["connected"]) == (50, 50)
    assert (found["likes_sent"], found["comments_sent"]) == (80, 20)
    assert (found["lost"], found["doubled"], found["out_of_order"]) == (0, 0, 0)
    assert found["like_deliveries_per_s"] * found["seconds"] == pytest.approx(50 * 80, rel=0.001)
    assert all(value > 0 for values in found["latency_ms"].values() for value in values.values())
    assert found["server"]["parts"]["node"]["rss_mb"] > 0
    assert done.stderr.rstrip().endswith("passed")
    assert leftovers(site) == 0


def test_likers_that_take_turns_are_counted_exactly(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "Ergebnis ü.json"
    done = site.manage(
        "loadtest", "--url", site.urls[0], "--viewers", "5", "--likes", "150", "--likers", "60", "--comments", "0",
        "--seconds", "4", "--json", str(path),
    )  # fmt: skip
    found = json.loads(path.read_text())
    assert found["likes_sent"] == 600
    assert found["like_deliveries_per_s"] * found["seconds"] == pytest.approx(5 * 600, rel=0.001)
    assert done.stdout.rstrip().endswith("passed")


def test_likes_by_websocket_slow_and_flapping_viewers_several_processes_and_a_page(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = site.manage(
        "loadtest", "--nodes", *site.urls, "--viewers", "60", "--likes", "60", "--comments", "10", "--seconds", "3",
        "--transport", "mix", "--acts", "ws", "--slow", "10", "--flapping", "50", "--processes", "2", "--json", "-",
        "--report", str(path),
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["passed"]
    assert (found["connected"], found["likes_sent"], found["comments_sent"]) == (60, 180, 30)
    assert (found["lost"], found["doubled"], found["out_of_order"]) == (0, 0, 0)
    assert found["flaps"] > 0
    assert found["reconnects"] > 0
    assert found["generator"]["processes"] == 3
    assert found["hop_nodes"] == len(site.urls)
    hops = found["hops_ms"]
    told = ("committed", "dispatched", "at node", "written", "seen", "likes seen", "comment seen")
    assert all(value > 0 for hop in told for value in hops[hop].values())
    page = path.read_text()
    assert "Passed" in page
    assert "--flapping 50" in page
    assert leftovers(site) == 0


def test_a_dead_generator_process_is_one_line_and_leaves_nothing_behind(site: Site) -> None:
    with started(site, "--viewers", "20", "--likes", "2", "--seconds", "600", "--processes", "2") as (process, lines):
        wait_for(lambda: is_under_load(lines), "the load")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        [victim, _] = [pid for pid in children if "loadtest.watcher" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(int(victim), signal.SIGKILL)
        assert process.wait() == 1
    assert lines[-1] == "loadtest: generator process 1 of 2 ended with exit code -9\n"
    assert leftovers(site) == 0


def test_ctrl_c_twice_leaves_nothing_behind(site: Site) -> None:
    with started(site, "--viewers", "20", "--likes", "2", "--seconds", "600") as (process, lines):
        wait_for(lambda: is_under_load(lines), "the load")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert not [line for line in lines if "Traceback" in line], "".join(lines)
    assert leftovers(site) == 0


def test_what_a_killed_run_left_is_removed_by_the_next_one(site: Site) -> None:
    with started(site, "--viewers", "20", "--likes", "2", "--seconds", "600") as (_, lines):
        wait_for(lambda: is_under_load(lines), "the load")
    assert leftovers(site) > 0
    site.manage("loadtest", "--url", site.urls[0], "--viewers", "2", "--likes", "5", "--seconds", "1")
    assert leftovers(site) == 0


def test_a_run_leaves_another_one_alone(site: Site) -> None:
    with started(site, "--viewers", "20", "--likes", "20", "--seconds", "6") as (process, lines):
        wait_for(lambda: is_under_load(lines), "the load")
        site.manage("loadtest", "--url", site.urls[0], "--viewers", "2", "--likes", "5", "--seconds", "1")
        assert process.wait() == 0


class _ForeignSite(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_site_with_another_database_is_refused(site: Site) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _ForeignSite) as foreign:
        threading.Thread(target=foreign.serve_forever).start()
        done = site.manage("loadtest", "--url", f"http://127.0.0.1:{foreign.server_port}", check=False)
        foreign.shutdown()
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "another database" in line
    assert leftovers(site) == 0


# What needs no site

DEFAULTS = {
    "url": "http://127.0.0.1:1", "nodes": None, "viewers": "1", "likes": "1", "comments": "1", "seconds": "1",
    "ramp": "0", "likers": "", "transport": "sse", "json": "", "acts": "rest", "slow": "0", "flapping": "0",
    "processes": "", "report": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("viewers", "0"),
        ("viewers", "-1"),
        ("viewers", "1e9"),
        ("viewers", "1000000000"),
        ("viewers", "abc"),
        ("viewers", "1.5"),
        ("viewers", "nan"),
        ("viewers", ""),
        ("likes", "-1"),
        ("likes", "inf"),
        ("comments", "many"),
        ("seconds", "0"),
        ("seconds", "1e9"),
        ("ramp", "-1"),
        ("likers", "1"),
        ("transport", "carrier pigeon"),
        ("json", "/nowhere/at/all.json"),
        ("json", "/tmp"),
        ("report", "/nowhere/at/all.html"),
        ("report", "/tmp"),
        ("acts", "telepathy"),
        ("slow", "101"),
        ("slow", "1.5"),
        ("slow", "-1"),
        ("flapping", "all"),
        ("processes", "0"),
        ("processes", "65"),
        ("processes", "two"),
        ("likers", "60.5"),
        ("url", "ftp://127.0.0.1"),
        ("url", "127.0.0.1:8000"),
        ("url", "http://[::1"),
        ("url", "http://127.0.0.1:99999"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call_command("loadtest", **{**DEFAULTS, option: value})
    assert left.value.code == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("loadtest: ")


def test_more_than_all_viewers_cannot_misbehave(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call_command("loadtest", **{**DEFAULTS, "slow": "60", "flapping": "41"})
    assert left.value.code == 2
    assert capsys.readouterr().err == "loadtest: --slow and --flapping must be 100 % together at most\n"


def test_a_site_that_nobody_serves_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call_command("loadtest", url="http://127.0.0.1:9")
    assert left.value.code == 2
    assert capsys.readouterr().err == "loadtest: nobody answers at http://127.0.0.1:9: Connection refused\n"
