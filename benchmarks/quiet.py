"""What videos cost on which nothing happens: `./run benchmarks/quiet.py`.

A site of its own with two nodes and a dispatcher, and `--videos` live videos. Each video gets one viewer on one node,
or on `--on` nodes. An event stream has ten of them. First the opening: topics/s from the first request to the last
first state. Then `--seconds` in which nobody does anything: commands/s that Valkey counts (those of scripts included),
and the CPU time of each process, in percent of a core. Viewers and site share the machine.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg

from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, family_cpu_seconds, postgres_pid, write_figures
from tests.sites import Site

TOPICS_OF_STREAM = 10
OPENING_STREAMS = 200  # at the same time
SETTLE_SECONDS = 5.0  # until what the opening leaves to do is done
HANG_SECONDS = 300.0
REFUSED_MAX = 100
VIDEOS = """
INSERT INTO accounts_viewer (id, username, name, name_key, password, email, is_superuser, is_staff, is_active,
  date_joined, is_guest, is_broadcaster)
VALUES (%(owner)s, 'broadcaster', 'Broadcaster', 'broadcaster', '!', '', false, false, true, now(), false, true);
INSERT INTO videos_video (id, owner_id, title, description, status, visibility, comments_enabled, playlist, started_at,
  created_at)
SELECT gen_random_uuid(), %(owner)s, 'Broadcast ' || n, '', 'live', 'public', true, '', now(), now()
FROM generate_series(1, %(videos)s) n;
INSERT INTO realtime_topic (name, seq, version, viewers_peak) SELECT 'video:' || id, 1, 0, 0 FROM videos_video;
INSERT INTO realtime_loggedevent (topic_id, seq, name, data, thing, at)
SELECT name, 1, 'video', json_build_object('topic', name, 'seq', 1, 'at_ms', 1700000000000), '', now()
FROM realtime_topic;
"""


def make_videos(url: str, count: int) -> list[str]:
    """Make live videos in the database; return their topics."""
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(VIDEOS, {"owner": uuid4(), "videos": count})
        cursor.execute("SELECT name FROM realtime_topic ORDER BY name")
        topics = [str(name) for (name,) in cursor.fetchall()]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return topics


class Watcher:
    """An event stream of some topics, and the reading of what comes."""

    def __init__(self, url: str, topics: list[str]) -> None:
        self._host = urlsplit(url).netloc
        self._topics = topics

    async def open(self) -> int:
        """Return when the first state of each topic is here, and how often the node had no time (503) until then."""
        for refused in range(REFUSED_MAX):
            if await self._is_open():
                return refused
            await asyncio.sleep(1)
        raise AssertionError("the node has no time")

    async def _is_open(self) -> bool:
        name, _, port = self._host.partition(":")
        self._reader, self._writer = await asyncio.open_connection(name, int(port))
        query = "&".join(f"topic={topic}" for topic in self._topics)
        self._writer.write(f"GET /events?{query} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 503"):
            self._writer.close()
            return False
        assert head.startswith(b"HTTP/1.1 200"), head
        came = b""
        while came.count(b'"snapshot":') < len(self._topics):
            came += await self._read()
        return True

    async def _read(self) -> bytes:
        data = await self._reader.read(2**18)
        assert data, "the node closed"
        return data

    async def read_on(self) -> None:
        while True:
            await self._read()

    def close(self) -> None:
        self._writer.close()


def counted(site: Site) -> dict[str, int]:
    """Return how often Valkey has run each command, in scripts too."""
    client = site.redis()
    stats = client.info("commandstats")
    client.close()
    return {name.removeprefix("cmdstat_"): numbers["calls"] for name, numbers in stats.items()}


def used(site: Site, postgres: int) -> dict[str, float]:
    """Return the CPU seconds of each process."""
    assert site.dispatcher is not None
    nodes = {f"node {number}": cpu_seconds(node.pid) for number, node in enumerate(site.nodes, 1)}
    return {
        **nodes,
        "Valkey": cpu_seconds(site.valkey.pid),
        "PostgreSQL": family_cpu_seconds(postgres),
        "dispatcher": cpu_seconds(site.dispatcher.pid),
    }


async def measure(site: Site, options: Any) -> dict[str, Any]:
    topics = make_videos(site.database_url, options.videos)
    postgres = postgres_pid(site)
    watched: list[list[str]] = [[] for _ in site.urls]
    for number, topic in enumerate(topics):
        for step in range(options.on):
            watched[(number + step) % len(watched)].append(topic)
    watchers = [
        Watcher(url, of_node[start : start + TOPICS_OF_STREAM])
        for url, of_node in zip(site.urls, watched, strict=True)
        for start in range(0, len(of_node), TOPICS_OF_STREAM)
    ]
    random.shuffle(watchers)
    room = asyncio.Semaphore(OPENING_STREAMS)

    async def open_one(watcher: Watcher) -> int:
        async with room, asyncio.timeout(HANG_SECONDS):
            return await watcher.open()

    before, began = used(site, postgres), time.monotonic()
    refused = sum(await asyncio.gather(*(open_one(watcher) for watcher in watchers)))
    took = time.monotonic() - began
    opened = sum(map(len, watched))
    opening = {name: seconds - before[name] for name, seconds in used(site, postgres).items()}
    reading = [asyncio.create_task(watcher.read_on()) for watcher in watchers]
    await asyncio.sleep(min(SETTLE_SECONDS, options.seconds))
    calls, cpu, began = counted(site), used(site, postgres), time.monotonic()
    await asyncio.sleep(options.seconds)
    seconds = time.monotonic() - began
    busy = {name: (now - cpu[name]) / seconds * 100 for name, now in used(site, postgres).items()}
    commands = {name: (now - calls.get(name, 0)) / seconds for name, now in counted(site).items()}
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    for watcher in watchers:
        watcher.close()
    most = dict(sorted(commands.items(), key=lambda item: -item[1])[:8])
    return {
        "topics": opened,
        "opened/s": round(opened / took),
        "refused": refused,
        "CPU us of an opening": {name: round(value * 1e6 / opened) for name, value in opening.items()},
        "commands/s": round(sum(commands.values())),
        "most commands/s": {name: round(value) for name, value in most.items()},
        "CPU %": {name: round(value, 1) for name, value in busy.items()},
    }


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--videos", type=int, default=20_000)
    parser.add_argument("--on", type=int, default=1, help="nodes on which each video is watched: 1 or 2")
    parser.add_argument("--seconds", type=float, default=20.0, help="in which nothing happens")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if options.videos < 1 or options.seconds <= 0 or options.on not in (1, 2):
        parser.error("videos is at least 1, seconds more than 0, on 1 or 2")
    with durable_site(nodes=2) as site:
        site.wait_until_ready()
        found = asyncio.run(measure(site, options))
    table = sys.stderr if options.json == "-" else sys.stdout
    opening = ", ".join(f"{name} {us:,} us" for name, us in found["CPU us of an opening"].items() if us)
    speed = f"{found['topics']:,} topics, {found['opened/s']:,}/s, {found['refused']} refused"
    print(f"opening   {speed}; of CPU each: {opening}", file=table)
    most = ", ".join(f"{name} {number:,}" for name, number in found["most commands/s"].items() if number)
    print(f"Valkey    {found['commands/s']:,} commands/s: {most}", file=table)
    print("quiet     " + ", ".join(f"{name} {share} %" for name, share in found["CPU %"].items()), file=table)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
