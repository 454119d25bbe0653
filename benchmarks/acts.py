"""How fast a moderator's act is on all screens: `./run benchmarks/acts.py --viewers 2000 --seconds 60`.

A site of its own with two nodes. Viewers are event streams in a process of their own, guests comment at the given rate,
and the broadcaster deletes one comment after the other. Measured from before the call to the moment at which a viewer
has read `comment_deleted`, with the clock of the machine, for each viewer and act. Site, viewers and guests share the
machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx

from benchmarks.flood import Writers
from benchmarks.ingest_client import Parser, durable_site, write_figures
from tests.e2e.conftest import Broadcaster, make_broadcaster
from tests.sites import Site

DELETED = re.compile(rb'event: comment_deleted\ndata: [^\n]*"comment":\{"id":"([0-9a-f-]{36})"')
CONNECTS_AT_ONCE = 50
PROMISED_MS = 300.0


class Viewer(asyncio.Protocol):
    """An event stream: when it has read that a comment is gone."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.has_begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen: dict[str, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.has_begun.done() and b"event: hello" in data:
            self.has_begun.set_result(None)
        for id in DELETED.findall(data):
            self.seen[id.decode()] = now


async def _watch(urls: list[str], topic: str, count: int, line: Connection) -> None:
    """Open the streams, say so, and send what they have seen when asked."""
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def opened(number: int) -> Viewer:
        host = urlsplit(urls[number % len(urls)]).netloc
        name, _, port = host.partition(":")
        request = f"GET /events?topic={quote(topic)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        async with gate:
            _, viewer = await loop.create_connection(lambda: Viewer(request), name, int(port))
            await viewer.has_begun
        return viewer

    viewers = await asyncio.gather(*(opened(number) for number in range(count)))
    line.send("open")
    await asyncio.to_thread(line.recv)
    line.send([viewer.seen for viewer in viewers])


def watch(urls: list[str], topic: str, count: int, line: Connection) -> None:
    asyncio.run(_watch(urls, topic, count, line))


async def moderate(broadcaster: Broadcaster, video_id: str, seconds: float, pause: float) -> dict[str, float]:
    """Delete the newest comment again and again; return when each call began."""
    acted: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {broadcaster.token}"}
    until = float("inf")
    url = f"{broadcaster.site.urls[0]}/api/v1"
    async with httpx.AsyncClient(verify=False, timeout=60, trust_env=False, headers=headers) as client:
        while time.monotonic() < until:
            answer = await client.get(f"{url}/videos/{video_id}/comments", params={"limit": 1})
            for comment in answer.raise_for_status().json()["items"]:
                began = time.monotonic()
                (await client.delete(f"{url}/videos/{video_id}/comments/{comment['id']}")).raise_for_status()
                acted[comment["id"]] = began
                until = min(until, began + seconds)
            await asyncio.sleep(pause)
    return acted


async def run(site: Site, options: Any) -> dict[str, Any]:
    broadcaster = make_broadcaster(site)
    video_id = broadcaster.new_video(title="A room that is kept")
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    arguments = (site.urls, f"video:{video_id}", options.viewers, theirs)
    watching = multiprocessing.get_context("spawn").Process(target=watch, args=arguments)
    watching.start()
    await asyncio.to_thread(ours.recv)
    writing = asyncio.create_task(Writers(site, video_id, options.rate).write())
    acted = await moderate(broadcaster, video_id, options.seconds, options.pause)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await asyncio.sleep(2)  # for the last one to arrive
    ours.send("tell")
    seen = await asyncio.to_thread(ours.recv)
    watching.join()
    late = sorted(1000 * (times[id] - began) for times in seen for id, began in acted.items() if id in times)
    missing = len(seen) * len(acted) - len(late)
    if not late:
        raise SystemExit("acts: nobody has seen an act")
    return {
        "viewers": len(seen),
        "acts": len(acted),
        "not seen": missing,
        **{f"p{share} ms": round(late[min(len(late) - 1, len(late) * share // 100)], 1) for share in (50, 90, 99)},
        "most ms": round(late[-1], 1),
        "promised p99 ms": PROMISED_MS,
    }


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=5.0, help="comments a second")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two acts")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.viewers, options.rate, options.seconds, options.pause) <= 0:
        parser.error("viewers, rate, pause and seconds are more than 0")
    with durable_site(nodes=2) as site:
        site.start_dispatcher()
        found = asyncio.run(run(site, options))
    table = sys.stderr if options.json == "-" else sys.stdout
    for name, value in found.items():
        print(f"{name:18} {value}", file=table)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
