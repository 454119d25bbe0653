"""What it costs a node to look whether viewers still have their rights: `./run benchmarks/rights.py --viewers 10000`.

A site of its own with one node. People who have signed in, each in a browser of their own, watch a video and their
inbox, and nothing happens. Then as many who have not signed in watch the video: what they cost is not the rights.
Measured over some seconds: CPU of the node, and of PostgreSQL. People and site share the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import sys
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.acts import Viewer
from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, family_cpu_seconds, postgres_pid, write_figures
from tests.e2e.conftest import make_broadcaster
from tests.sites import Site

CONNECTS_AT_ONCE = 50
ROWS = 1_000


async def _watch(url: str, requests: list[str], line: Connection) -> None:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(CONNECTS_AT_ONCE)
    host = urlsplit(url).netloc
    name, _, port = host.partition(":")

    async def opened(request: str) -> asyncio.Transport:
        whole = f"GET {request}\r\nHost: {host}\r\n\r\n".encode()
        while True:  # a browser comes back, too, when the node has too much to do
            async with gate:
                transport, viewer = await loop.create_connection(lambda: Viewer(whole), name, int(port))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(10):
                        await viewer.has_begun
                        return transport
                transport.abort()

    transports = await asyncio.gather(*(opened(request) for request in requests))
    line.send("open")
    await asyncio.to_thread(line.recv)
    line.send(sum(transport.is_closing() for transport in transports))


def watch(url: str, requests: list[str], line: Connection) -> None:
    asyncio.run(_watch(url, requests, line))


def people(count: int) -> list[tuple[str, str]]:
    """Make accounts that have signed in. Return the id and the session of each."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    from accounts import models
    from web.sessions import SessionStore

    keys = []
    for start in range(0, count, ROWS):
        numbers = range(start, min(start + ROWS, count))
        made = models.Viewer.objects.bulk_create(
            models.Viewer(id=UUID(int=number + 1), username=f"viewer {number}", name=f"Viewer {number}", password="!")
            for number in numbers
        )
        sessions = []
        for viewer in made:
            held = {
                SESSION_KEY: str(viewer.id),
                BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
                HASH_SESSION_KEY: viewer.get_session_auth_hash(),
            }
            key = f"s{viewer.id.hex[1:]}"
            until = timezone.now() + timedelta(days=14)
            sessions.append(Session(session_key=key, session_data=SessionStore().encode(held), expire_date=until))
            keys.append((str(viewer.id), key))
        Session.objects.bulk_create(sessions)
    return keys


def idle(site: Site, requests: list[str], seconds: float) -> dict[str, float]:
    """Return what it takes when the requests have opened their streams, in ms of CPU a second."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    watching = multiprocessing.get_context("spawn").Process(target=watch, args=(site.urls[0], requests, theirs))
    watching.start()
    ours.recv()
    time.sleep(6)  # the last ones have been looked at for the first time
    node, database = site.nodes[0].pid, postgres_pid(site)
    before, began = (cpu_seconds(node), family_cpu_seconds(database)), time.monotonic()
    time.sleep(seconds)
    after, took = (cpu_seconds(node), family_cpu_seconds(database)), time.monotonic() - began
    ours.send("end")
    closed = ours.recv()
    watching.join()
    if closed:
        raise SystemExit(f"rights: {closed} streams were closed")
    used = [round(1_000 * (late - early) / took, 1) for early, late in zip(before, after, strict=True)]
    return dict(zip(("node", "PostgreSQL"), used, strict=True))


def measure(site: Site, viewers: int, seconds: float) -> dict[str, Any]:
    broadcaster = make_broadcaster(site)
    video = quote(f"video:{broadcaster.new_video(title='A quiet room')}")
    known = [
        f"/events?topic={video}&topic={quote(f'user:{id}')} HTTP/1.1\r\nCookie: sessionid={session}"
        for id, session in people(viewers)
    ]
    strangers = [f"/events?topic={video} HTTP/1.1"] * viewers
    return {
        "viewers": viewers,
        "signed in, ms of CPU a second": idle(site, known, seconds),
        "not signed in, ms of CPU a second": idle(site, strangers, seconds),
    }


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if options.viewers < 1 or options.seconds <= 0:
        parser.error("every number must be above 0")
    with durable_site(nodes=1) as site:
        site.wait_until_ready()
        import django

        django.setup()
        found = measure(site, options.viewers, options.seconds)
    for name, value in found.items():
        print(f"{name:38} {value}", file=sys.stderr if options.json == "-" else sys.stdout)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
