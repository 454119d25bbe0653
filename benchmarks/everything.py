"""Everything at once, on a site of years, by HTTPS: `./run benchmarks/everything.py`.

A site of its own gets 20 million likes and what belongs to them (benchmarks/growth.py), times `--size`, and two nodes
with a certificate. A load test watches a new video with `--viewers`, and sends likes and comments. As soon as it does,
as many `--people` come to the same video, evenly over half of its time: each loads the page with its files, and opens
the event stream. Generator, people and site share the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import psycopg

from benchmarks.arrival import FILES, ComingPeople
from benchmarks.growth_data import LARGE, SMALL, Loader
from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, write_figures
from tests.certificates import certificate
from tests.sites import CHECKOUT, Site

NODES = 2
RATES = ("--likes", "100", "--comments", "5")


@contextlib.contextmanager
def grown_site(size: float, folder: Path) -> Iterator[tuple[Site, list[str], int]]:
    """Have a site of that size; with its nodes' addresses by HTTPS, and how many likes it has."""
    key, chain = certificate(folder)
    os.environ["SSL_CERT_FILE"] = str(chain)  # the load test and the people trust it
    with durable_site() as site:
        loader = Loader(site.database_url)
        loader.grow_to(SMALL)
        loader.grow_to(LARGE.scaled(size))
        loader.close()
        site.env["SSL_CERT_FILE"] = str(chain)
        urls = [site.start_secure_node(chain, key) for _ in range(NODES)]
        site.wait_until_ready()
        yield site, urls, loader.size.likes


@contextlib.contextmanager
def load_test(site: Site, urls: list[str], viewers: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Have a load test from the moment at which it sends likes and comments."""
    sizes = ("--viewers", str(viewers), "--seconds", str(seconds), "--transport", "mix")
    argv = [sys.executable, "manage.py", "loadtest", "--nodes", *urls, *sizes, *RATES, "--json", "-"]
    process = subprocess.Popen(
        argv, cwd=CHECKOUT, env=site.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    try:
        if not any(line.startswith("load:") for line in process.stderr):
            raise SystemExit("everything: the load test does not start")
        threading.Thread(target=_pass_on, args=(process.stderr,), daemon=True).start()
        yield process
    finally:
        process.kill()
        process.wait()


def _pass_on(stream: IO[str]) -> None:
    for line in stream:
        print(line, end="", file=sys.stderr)


def arrive(coming: ComingPeople, site: Site, urls: list[str], people: int, seconds: float) -> dict[str, Any]:
    """Have people come to the load test's video; return how long each took, in ms, and what went wrong."""
    with psycopg.connect(site.database_url) as connection:
        [video_id] = connection.execute("SELECT id FROM videos_video WHERE title = 'Load test'").fetchone() or [None]
    page = httpx.get(f"{urls[0]}/videos/{video_id}/", trust_env=False, verify=os.environ["SSL_CERT_FILE"])
    files = [name.decode() for name in dict.fromkeys(FILES.findall(page.raise_for_status().content))]
    return coming.come(urls, str(video_id), files, people, seconds)


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=5_000, help="that watch before (5000)")
    parser.add_argument("--people", type=int, default=5_000, help="that come (5000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of likes and comments (60)")
    parser.add_argument("--size", type=float, default=1.0, help="of the site, as a factor of 20 million likes (1)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.viewers, options.people) < 1 or options.seconds < 1 or not 0.002 <= options.size <= 10:
        parser.error("viewers, people and seconds are at least 1, size is 0.002 to 10")
    with (
        tempfile.TemporaryDirectory() as folder,
        grown_site(options.size, Path(folder)) as (site, urls, likes),
    ):
        coming = ComingPeople()
        with load_test(site, urls, options.viewers, options.seconds) as testing:
            before = sum(cpu_seconds(node.pid) for node in site.nodes)
            came = arrive(coming, site, urls, options.people, options.seconds / 2)
            told, _ = testing.communicate()
            cpu = sum(cpu_seconds(node.pid) for node in site.nodes) - before
    for problem in sorted({*came["problems"]}):
        print(problem, file=sys.stderr)
    watched, took = json.loads(told), came["took"]
    found = {
        "likes in the database": likes,
        "viewers": watched["connected"],
        "lost": watched["lost"],
        "comments p90 ms": watched["latency_ms"]["comment"]["p90"],
        "likes p90 ms": watched["latency_ms"]["likes"]["p90"],
        "written by the nodes, p90 ms": watched.get("hops_ms", {}).get("written", {}).get("p90"),
        "came": len(took),
        "did not come": len(came["problems"]),
        "p95 ms to page and stream": round(took[len(took) * 95 // 100], 1) if took else None,
        "CPU of the nodes, s": round(cpu, 1),
    }
    write_figures(found, options.json)
    for name, value in found.items():
        print(f"{name:>28}  {value if value is None else f'{value:,}'}", file=sys.stderr)
    return 0 if watched["passed"] and not came["problems"] else 1


if __name__ == "__main__":
    sys.exit(main())
