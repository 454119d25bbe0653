"""What presence costs and how fast a change is seen: `./run benchmarks/presence.py`.

- heartbeats: one node's part, with its table on a real Valkey, every heartbeat due at once; CPU of both sides.
- changes: a site of two nodes and a dispatcher. Viewers come on one node, one after the other, each seen by a friend on
  the other: from the moment when the viewer's request is sent to the moment when the friend has read `presence`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, write_figures
from realtime.node.presence import Presence
from realtime.table.presence import BEAT_SECONDS, PresenceTable
from tests.sites import Site
from tests.watching import SseWatcher, watching

if TYPE_CHECKING:
    from accounts.models import Viewer

SEEN_BY_ONE = 49  # of a conversation of 50


async def heartbeats(site: Site, options: argparse.Namespace) -> dict[str, float]:
    from realtime.table.redis import shared_redis

    redis = shared_redis()
    now = 0.0

    async def save(_: object) -> None: ...

    table = PresenceTable(redis, prefix="benchmark:")
    presence = Presence(table, publish=lambda _: None, save=save, clock=lambda: now)
    for number in range(options.viewers):
        presence.enter(str(UUID(int=number)), is_hidden=False)
    await presence.beat()
    rounds = []
    for _ in range(options.rounds):
        now += BEAT_SECONDS + 0.1
        valkey, own = await _valkey_seconds(redis), time.process_time()
        await presence.beat()
        own, valkey = time.process_time() - own, await _valkey_seconds(redis) - valkey
        rounds.append((own * 1e6 / options.viewers, valkey * 1e6 / options.viewers))
    node_us, valkey_us = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {"node_us": node_us, "valkey_us": valkey_us, "heartbeats_per_core_s": 1e6 / (node_us + valkey_us)}


async def _valkey_seconds(redis: Any) -> float:
    info = await redis.info("cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


def _circle(number: int) -> tuple[Viewer, list[Viewer]]:
    """Make viewers who talk to each other: one, and all that this one may see."""
    from accounts.guests import create_guest
    from messaging import acts

    friend, *seen = [create_guest(f"Viewer {number} {place}") for place in range(SEEN_BY_ONE + 1)]
    conversation = acts.start(friend, [viewer.id for viewer in seen]).summary
    for viewer in seen:
        acts.send(UUID(conversation["id"]), viewer, "Hello")
    return friend, seen


async def changes(site: Site, options: argparse.Namespace) -> dict[str, float]:
    from accounts.identities import identity_of
    from realtime.edge import tickets
    from realtime.log.threads import backend_threads

    circles = [await backend_threads.run(_circle, number) for number in range(options.circles)]
    streams = []
    for friend, seen in circles:
        topics = [f"presence:{viewer.id}" for viewer in seen]
        ticket = tickets.issue(topics, identity_of(friend), load=True)
        more = "".join(f"&topic={topic}" for topic in topics[1:])
        streams.append(SseWatcher(site.urls[1], topics[0], query=f"{more}&ticket={ticket}"))
    sent: dict[str, float] = {}
    comers: list[SseWatcher] = []
    coming: list[asyncio.Task[None]] = []
    cpu = cpu_seconds(site.nodes[0].pid)
    async with watching(*streams):
        for _, seen in circles:
            for viewer in seen:
                topic = f"user:{viewer.id}"
                ticket = tickets.issue([topic], identity_of(viewer), load=True)
                comer = SseWatcher(site.urls[0], topic, query=f"&ticket={ticket}")
                sent[f"presence:{viewer.id}"] = time.monotonic()
                comers.append(comer)
                coming.append(asyncio.create_task(comer.open()))
                await asyncio.sleep(1 / options.rate)
        await asyncio.gather(*coming)
        cpu = cpu_seconds(site.nodes[0].pid) - cpu
        for stream, (_, seen) in zip(streams, circles, strict=True):
            await _sees(stream, len(seen))
        took = [
            (event.seconds - sent[event.data["topic"]]) * 1000
            for stream in streams
            for event in stream.named("presence")
        ]
    await asyncio.gather(*(comer.close() for comer in comers))
    return {**_percentiles(took), "come_cpu_us": cpu * 1e6 / len(comers)}


async def _sees(stream: SseWatcher, count: int) -> None:
    await stream.wait_for(lambda: len(stream.named("presence")) == count, f"{count} changes")


def _percentiles(took_ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    return {
        "changes": len(ordered),
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[len(ordered) * 99 // 100],
        "max_ms": ordered[-1],
    }


async def measure(site: Site, options: argparse.Namespace) -> dict[str, float]:
    return await heartbeats(site, options) | await changes(site, options)


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--viewers", type=int, default=20_000, help="whose heartbeats are due")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--circles", type=int, default=10, help=f"friends who see {SEEN_BY_ONE} viewers each come")
    parser.add_argument("--rate", type=int, default=50, help="viewers who come in a second")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.viewers, options.rounds, options.circles, options.rate) < 1:
        parser.error("every number must be at least 1")
    with durable_site() as site:
        site.start_node()
        site.start_node()
        site.wait_until_ready()
        import django

        django.setup()
        found = {name: round(value, 2) for name, value in asyncio.run(measure(site, options)).items()}
    table = sys.stderr if options.json == "-" else sys.stdout
    print(
        f"heartbeats  node {found['node_us']:.1f} us, Valkey {found['valkey_us']:.1f} us of CPU each:"
        f" {found['heartbeats_per_core_s']:,.0f}/s per core",
        file=table,
    )
    print(
        f"changes     {found['changes']:.0f} seen: p50 {found['p50_ms']:.0f}, p99 {found['p99_ms']:.0f},"
        f" max {found['max_ms']:.0f} ms at {options.rate}/s; each took its node {found['come_cpu_us']:,.0f} us of CPU",
        file=table,
    )
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
