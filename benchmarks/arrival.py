"""What it costs a node when people come to a video: `./run benchmarks/arrival.py --people 2000 --seconds 20`.

A site of its own with two nodes, `--ended` videos that have been, and a live one with 50 comments that somebody
watches. First the cost of one load: the home page and the page of the video, for somebody who has not signed in and for
somebody who has; the page with all files that it names. Then a
crowd comes, evenly over the seconds: each person loads the page and its files on one connection, and opens the event
stream. Measured from the connect to the `hello` of the stream. People and site share the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import re
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import psycopg

from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, write_figures
from loadtest.machine import reach
from loadtest.secure import options_of
from tests.e2e.conftest import make_broadcaster
from tests.sites import Site

COMMENTS = 50
FILES = re.compile(rb'(?:src|href)="(/static/[^"]+)"')
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
HANG_SECONDS = 60.0
ENDED = """
INSERT INTO videos_video (id, owner_id, title, description, status, visibility, comments_enabled, playlist,
  started_at, ended_at, created_at)
SELECT gen_random_uuid(), (SELECT id FROM accounts_viewer LIMIT 1), 'Broadcast ' || n, '', 'ended', 'public', true, '',
  now() - n * interval '1 hour', now() - n * interval '1 hour' + interval '50 minutes', now() - n * interval '1 hour'
FROM generate_series(1, %s) n
"""


class BrowserConnection:
    """A connection of a browser, as far as it goes here."""

    def __init__(self, url: str) -> None:
        self._address = reach(url)

    async def __aenter__(self) -> BrowserConnection:
        address = self._address
        self._reader, self._writer = await asyncio.open_connection(
            address.socket_address[0], address.port, **options_of(address)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def _ask(self, path: str) -> None:
        host = self._address.host_header
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())

    async def get(self, path: str) -> bytes:
        """Return the body as it came, compressed. Raises AssertionError for another answer than 200."""
        self._ask(path)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), (path, head.partition(b"\r\n")[0])
        found = LENGTH.search(head)
        assert found
        return await self._reader.readexactly(int(found[1]))

    async def open_stream(self, topic: str) -> None:
        """Return when it has begun."""
        self._ask(f"/events?topic={quote(topic)}")
        await self._reader.readuntil(b"event: hello")


async def _crowd(urls: list[str], video_id: str, files: list[str], people: int, seconds: float) -> dict[str, Any]:
    """Have people come; return how long each took, in ms, and what went wrong."""
    took: list[float] = []
    problems: list[str] = []
    all_here = asyncio.Barrier(people)

    async def come(number: int) -> None:
        await asyncio.sleep(seconds * number / people)
        async with contextlib.AsyncExitStack() as stack:
            began = time.monotonic()
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    line = await stack.enter_async_context(BrowserConnection(urls[number % len(urls)]))
                    await line.get(f"/videos/{video_id}/")
                    for path in files:
                        await line.get(path)
                    await line.open_stream(f"video:{video_id}")
                took.append((time.monotonic() - began) * 1_000)
            except (OSError, EOFError, TimeoutError, AssertionError) as error:
                problems.append(f"{type(error).__name__}: {error}")
            await all_here.wait()  # they stay until the last one has come

    await asyncio.gather(*(come(number) for number in range(people)))
    return {"took": sorted(took), "problems": problems}


def _arrive(line: Connection) -> None:
    line.send(None)  # ready
    line.send(asyncio.run(_crowd(*line.recv())))


class ComingPeople:
    """A process of its own, which is ready to have people come."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._line, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_arrive, args=(theirs,), daemon=True)
        self._process.start()
        self._line.recv()

    def come(self, urls: list[str], video_id: str, files: list[str], people: int, seconds: float) -> dict[str, Any]:
        """Have people come, once; return how long each `took`, in ms, and the `problems`."""
        self._line.send((urls, video_id, files, people, seconds))
        came: dict[str, Any] = self._line.recv()
        self._process.join()
        return came


def used(site: Site) -> float:
    """Return the CPU seconds of all nodes."""
    return sum(cpu_seconds(node.pid) for node in site.nodes)


async def cost_of_a_load(site: Site, video_id: str, loads: int) -> dict[str, float]:
    path = f"/videos/{video_id}/"
    found: dict[str, float] = {}

    async def measure(name: str, load: Any, count: int) -> None:
        await load()
        before = used(site)
        for _ in range(count):
            await load()
        found[f"{name}, ms of CPU"] = round((used(site) - before) * 1_000 / count, 2)

    async with (
        BrowserConnection(site.urls[0]) as watching,
        BrowserConnection(site.urls[0]) as line,
    ):
        await watching.open_stream(f"video:{video_id}")
        async with httpx.AsyncClient(base_url=site.urls[0], trust_env=False) as signed_in:
            (await signed_in.post("/api/v1/guests", json={"name": "Ada"})).raise_for_status()
            files = await files_of(site, video_id)
            found["page, bytes"] = len(await line.get(path))
            found["files"] = len(files)

            async def load_all() -> None:
                await line.get(path)
                for file in files:
                    await line.get(file)

            await measure("page", lambda: line.get(path), loads)
            await measure("page and files", load_all, loads // 10)
            await measure("page, signed in", lambda: signed_in.get(path), loads // 10)
            await measure("home page", lambda: line.get("/"), loads)
            await measure("home page, signed in", lambda: signed_in.get("/"), loads // 10)
    return found


async def files_of(site: Site, video_id: str) -> list[str]:
    async with httpx.AsyncClient() as client:
        page = await client.get(f"{site.urls[0]}/videos/{video_id}/")
    return [name.decode() for name in dict.fromkeys(FILES.findall(page.content))]


def make_ended(site: Site, count: int) -> None:
    """Add videos that have ended, as the site has them after years."""
    with psycopg.connect(site.database_url) as connection:
        connection.execute(ENDED, [count])
        connection.execute(
            "INSERT INTO realtime_topic (name, seq, version, viewers_peak) SELECT 'video:' || id, 0, 0, 0"
            " FROM videos_video ON CONFLICT DO NOTHING"
        )
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE videos_video")


async def run(site: Site, options: Any) -> dict[str, Any]:
    broadcaster = make_broadcaster(site)
    make_ended(site, options.ended)
    video_id = broadcaster.new_video(title="Where many come")
    for number in range(COMMENTS):
        broadcaster.comment(video_id, f"Comment {number}, which is as long as comments often are")
    found: dict[str, Any] = await cost_of_a_load(site, video_id, options.loads)
    files, coming = await files_of(site, video_id), ComingPeople()
    before = used(site)
    came = await asyncio.to_thread(coming.come, site.urls, video_id, files, options.people, options.seconds)
    cpu = used(site) - before
    for problem in sorted({*came["problems"]}):
        print(problem, file=sys.stderr)
    took = came["took"]
    if not took:
        raise SystemExit("arrival: nobody has arrived")
    return {
        **found,
        "people": len(took),
        "did not arrive": len(came["problems"]),
        "p50 ms": round(statistics.median(took), 1),
        "p95 ms": round(took[len(took) * 95 // 100], 1),
        "most ms": round(took[-1], 1),
        "a person, ms of CPU": round(cpu * 1_000 / len(took), 2),
    }


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--loads", type=int, default=2_000, help="of the page, before the crowd")
    parser.add_argument("--ended", type=int, default=100_000, help="videos that have been, before all this")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.people, options.seconds) <= 0 or options.loads < 10:
        parser.error("people and seconds are more than 0, loads at least 10")
    with durable_site(nodes=2) as site:
        found = asyncio.run(run(site, options))
    write_figures(found, options.json)
    table = sys.stderr if options.json == "-" else sys.stdout
    for name, value in found.items():
        print(f"{name:>24}  {value:,}", file=table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
