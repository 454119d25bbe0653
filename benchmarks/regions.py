"""Likes and comments of one region on streams of another: `./run benchmarks/regions.py`.

Two complete regions on one durable database, eu and us, each with its own Valkey, nodes, dispatcher and relay; a line
of `--link-ms` each way lies between their relays, and between us and the database. The load test acts in eu, its
viewers are in us. First without faults, for latency; then with a partition in the middle: the relays' lines swallow
everything, and with `--cut-database` the database's line too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, write_figures
from tests.regions.two import Regions, two_regions
from tests.sites import CHECKOUT, SiteFactory


def load_test(
    regions: Regions,
    options: argparse.Namespace,
    *,
    likes: float,
    comments: float,
    seconds: float,
    at_likes: Mapping[int, Callable[[], None]] | None = None,
) -> Any:
    """Return the result of a load test that acts in eu and watches in us.

    `at_likes`: what to do when so many likes were sent.
    """
    command = [sys.executable, "manage.py", "loadtest", "--nodes", *regions.us.urls, "--acts-at", *regions.eu.urls]
    numbers = {"viewers": options.viewers, "likes": likes, "comments": comments, "seconds": seconds}
    command += [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    waiting = sorted((at_likes or {}).items())
    with subprocess.Popen(
        [*command, "--acts", "ws", "--json", "-"],
        cwd=CHECKOUT,
        env=regions.eu.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout and running.stderr
        for line in running.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            sent = re.search(r"([\d,]+) likes and", line)
            while waiting and sent and int(sent[1].replace(",", "")) >= waiting[0][0]:
                waiting.pop(0)[1]()
        written = running.stdout.read()
    if running.returncode not in (0, 1):
        raise SystemExit(f"the load test ended with {running.returncode}")
    return json.loads(written.splitlines()[-1])


def latency(regions: Regions, options: argparse.Namespace) -> dict[str, Any]:
    relays = [site.relay.pid for site in (regions.eu, regions.us) if site.relay]
    before = [cpu_seconds(pid) for pid in relays]
    found = load_test(regions, options, likes=options.likes, comments=options.comments, seconds=options.seconds)
    cpu = [cpu_seconds(pid) - since for pid, since in zip(relays, before, strict=True)]
    return {**shortened(found), "relay_cpu_s": {"eu": cpu[0], "us": cpu[1]}}


def partition(regions: Regions, options: argparse.Namespace) -> dict[str, Any]:
    """Send `--events` events, and cut the lines for the middle fifth of the time."""
    seconds = options.events / options.rate
    cut = [regions.to_us, regions.to_eu, *([regions.database] if options.cut_database else [])]
    likes = options.rate * 0.95
    faults = {int(likes * seconds * 0.4): lambda: regions.cut(*cut), int(likes * seconds * 0.6): regions.mend}
    comments = options.rate - likes
    found = load_test(regions, options, likes=likes, comments=comments, seconds=seconds, at_likes=faults)
    return {**shortened(found), "cut_seconds": seconds * 0.2}


def shortened(found: dict[str, Any]) -> dict[str, Any]:
    names = ("viewers", "seconds", "like_deliveries_per_s", "latency_ms", "lost", "doubled", "out_of_order", "sent")
    return {name: found[name] for name in names if name in found}


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=200, help="who watch in us")
    parser.add_argument("--likes", type=int, default=100, help="likes a second, for latency")
    parser.add_argument("--comments", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--link-ms", type=int, default=40, help="one way")
    parser.add_argument("--frame-ms", type=int, default=50, help="LIVE_FRAME_MS: likes wait for their frame")
    parser.add_argument("--events", type=int, default=100_000, help="with the partition in the middle; 0: none")
    parser.add_argument("--rate", type=int, default=1_000, help="of those events, a second")
    parser.add_argument("--cut-database", action="store_true", help="us loses the database as well")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.viewers, options.seconds, options.rounds, options.rate) < 1 or options.events < 0:
        parser.error("every number must be at least 1")
    found: dict[str, Any] = {"link_ms": options.link_ms, "began": time.strftime("%Y-%m-%d")}
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(durable_site())
        factory = stack.enter_context(contextlib.closing(SiteFactory(site.folder)))
        delay, env = options.link_ms / 1000, {"LIVE_FRAME_MS": str(options.frame_ms)}
        regions = stack.enter_context(
            two_regions(factory, contextlib.closing, delay_seconds=delay, database_url=site.database_url, env=env)
        )
        found["latency"] = [latency(regions, options) for _ in range(options.rounds)]
        if options.events:
            found["partition"] = partition(regions, options)
    write_figures(found, options.json)
    results = [*found["latency"], *([found["partition"]] if options.events else [])]
    return 1 if any(result["lost"] + result["doubled"] + result["out_of_order"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
