"""What a request costs a node by HTTP/2 beside HTTP/1.1, both behind its own TLS: `./run benchmarks/http2.py`.

A site of its own, and a node of it that has a certificate. One client, by one protocol after the other in each round:
the watch page from the node's memory, a style sheet that is sent again, and a call of the API, while somebody watches.
By HTTP/2 one request after the other, and ten at once.
A figure is the median of the node's processor time for a request. A mean would say how fast the client asks: a page is
drawn anew each second, which is shared by many requests of a fast client and by few of a slow one.
"""

from __future__ import annotations

import asyncio
import ssl
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx

from benchmarks.arrival import COMMENTS, FILES
from benchmarks.ingest_client import Parser, durable_site, write_figures
from tests.certificates import certificate
from tests.e2e.conftest import make_broadcaster

WAYS = {"HTTP/1.1": (False, 1), "HTTP/2": (True, 1), "HTTP/2, ten at once": (True, 10)}


def cpu_ms(pid: int) -> float:
    """Return the processor time of a process, all its threads, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2) * 1_000


async def measure(
    url: str, pid: int, video_id: str, trust: ssl.SSLContext, *, count: int, rounds: int
) -> dict[str, float]:
    """Return the milliseconds of the process for a request, by what was asked and how: a median."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    page = f"/videos/{video_id}/"
    async with (
        httpx.AsyncClient(verify=trust, trust_env=False, timeout=None) as watching,
        watching.stream("GET", f"{url}/events?topic=video:{video_id}") as stream,
    ):
        await anext(stream.aiter_bytes())
        names = FILES.findall((await watching.get(url + page)).content)
        style = next(name.decode() for name in names if b".css" in name)
        for _ in range(rounds):
            for way, (http2, at_once) in WAYS.items():
                headers = {"accept-encoding": "gzip"}
                async with httpx.AsyncClient(http2=http2, verify=trust, headers=headers, trust_env=False) as client:
                    for name, path in (("page", page), ("style sheet", style), ("API", f"/api/v1/videos/{video_id}")):
                        await client.get(url + path)
                        figures = found[f"{name}, {way}, ms of CPU"]
                        for _ in range(count // at_once):
                            before = cpu_ms(pid)
                            answers = await asyncio.gather(*(client.get(url + path) for _ in range(at_once)))
                            assert all(answer.status_code == 200 for answer in answers)
                            figures.append((cpu_ms(pid) - before) / at_once)
    return {name: round(statistics.median(figures), 2) for name, figures in sorted(found.items())}


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=200, help="of each kind in a round, 10 or more (200)")
    parser.add_argument("--rounds", type=int, default=3, help="of the protocols, interleaved (3)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if options.requests < 10 or options.rounds < 1:
        parser.error("requests are at least 10, rounds at least 1")
    with tempfile.TemporaryDirectory() as folder, durable_site(nodes=1) as site:
        key, chain = certificate(Path(folder))
        url = site.start_secure_node(chain, key)
        site.wait_until_ready()
        broadcaster = make_broadcaster(site)
        video_id = broadcaster.new_video(title="Where many come")
        for number in range(COMMENTS):
            broadcaster.comment(video_id, f"Comment {number}, which is as long as comments often are")
        trust = ssl.create_default_context(cafile=chain)
        pid = site.nodes[-1].pid
        found = asyncio.run(measure(url, pid, video_id, trust, count=options.requests, rounds=options.rounds))
    write_figures(found, options.json)
    table = sys.stderr if options.json == "-" else sys.stdout
    for name, value in found.items():
        print(f"{name:>42}  {value:,}", file=table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
