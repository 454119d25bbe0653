"""What one dispatcher carries, and how long an event is on its way through it: `./run benchmarks/dispatcher.py`.

The real Celery worker on the `dispatch` queue, a Valkey, and nodes that are channels of the layer, entered in the
shared table and drained here. Two measurements in rounds, medians:

- capacity: the queue holds what publishers collected while the worker was stopped; from its first message at a node to
  the last. Comments and like totals, evenly over all topics.
- hop: from `publisher.publish` to the message at the node's channel, at a steady rate.

Every event must arrive at every node that watches its topic.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import hiredis

from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, write_figures
from realtime.events import Counters, Durable, Event, NodeId, TopicName, from_wire, now_ms
from realtime.table.subscriptions import SharedTable
from tests.sites import Site

# No renewals: each would hold up this process, which also reads for all nodes, and look like a hop.
LEASE_SECONDS = 3_600
COMMENT = "What a goal! " * 4


class Nodes:
    """Fake nodes: each topic is watched on `share` of them. Counts what arrives."""

    def __init__(self, count: int, topics: int, share: int) -> None:
        self.ids = [NodeId(f"live.node.bench.{number}") for number in range(count)]
        self.topics = [TopicName(f"video:{number}") for number in range(topics)]
        self.watched: dict[NodeId, list[TopicName]] = {id: [] for id in self.ids}
        for number, topic in enumerate(self.topics):
            for step in range(share):
                self.watched[self.ids[(number + step) % count]].append(topic)
        self.share = share
        self.events = 0
        self.messages = 0
        self.first_at = self.last_at = 0.0
        self.hops_ms: list[float] = []
        self.measures_hops = False

    async def run(self, redis_url: str) -> None:
        """Subscribe all and drain, until cancelled."""
        address = urlsplit(redis_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**24)
        login = f"AUTH {address.password}\r\n" if address.password else ""
        writer.write(f"{login}SUBSCRIBE {' '.join(self.ids)}\r\n".encode())
        parser = hiredis.Reader()
        while data := await reader.read(2**20):
            parser.feed(data)
            while (reply := parser.gets()) is not False:
                if isinstance(reply, list) and reply[0] == b"message":
                    self._take(reply[2])

    def _take(self, data: bytes) -> None:
        from channels.layers import get_channel_layer

        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        now_ns = time.time_ns()
        message = get_channel_layer().deserialize(data)
        self.messages += 1
        events = [from_wire(item) for item in message["events"]]
        self.events += len(events)
        if self.measures_hops:
            self.hops_ms += [(now_ns - json.loads(e.body)["at_ns"]) / 1e6 for e in events if isinstance(e, Durable)]

    async def enter(self, table: SharedTable) -> None:
        for id, topics in self.watched.items():
            await table.enter(id, topics)

    async def until_all_came(self, events: int) -> None:
        """Wait until so many published events came to all their nodes. Raises SystemExit when they do not."""
        wanted = events * self.share
        deadline = time.monotonic() + 60
        while self.events < wanted:
            if time.monotonic() > deadline:
                raise SystemExit(f"dispatcher: {self.events:,} of {wanted:,} events came")
            await asyncio.sleep(0.005)
        if self.events > wanted:
            raise SystemExit(f"dispatcher: {self.events:,} events came where {wanted:,} were sent")
        self.events = 0


def events(topics: Sequence[TopicName]) -> Iterator[Event]:
    """Comments and like totals in turn, topic after topic. No two events of a batch can be merged."""
    seq = 0
    author = {"id": "01a20c4b-3598-7508-8132-5e721642feef", "name": "Ada Lovelace", "role": None}
    while True:
        seq += 1
        for number, topic in enumerate(topics):
            if (number + seq) % 2:
                comment = {"id": author["id"], "author": author, "body": COMMENT, "reply_to": None, "pinned": False}
                data = {"comment": comment, "at_ns": time.time_ns()}
                yield Durable.of(topic, seq=seq, name="comment", at_ms=0, data=data)
            else:
                kinds = {"like": seq, "celebrate": 0, "support": 0, "love": 2, "insightful": 0, "funny": 1}
                yield Counters(topic, seq, kinds, ("Ada", "Grace"), 1)


async def measure(site: Site, options: argparse.Namespace) -> dict[str, Any]:
    from django.conf import settings

    from realtime.dispatch.publisher import Publisher
    from realtime.table.redis import shared_redis

    assert site.dispatcher is not None
    pid = site.dispatcher.pid
    nodes = Nodes(options.nodes, options.topics, options.share)
    table = SharedTable(shared_redis(), lease_seconds=LEASE_SECONDS, prefix=f"live:{settings.LIVE_REGION}:")
    await nodes.enter(table)
    reading = asyncio.create_task(nodes.run(site.redis_url))
    gc.collect()
    gc.freeze()  # as the nodes do, which publish in reality
    rounds: list[dict[str, float]] = []
    made = events(nodes.topics)
    publishers = [Publisher() for _ in range(options.publishers)]
    filler = Publisher()  # the full queue that it sees would slow it down for the hop measurement
    for _ in range(options.rounds):
        # Capacity
        count = options.events
        site.dispatcher.send(signal.SIGSTOP)
        for start in range(0, count, options.batch):
            filler.send([next(made) for _ in range(min(options.batch, count - start))], now_ms())
        nodes.first_at, nodes.messages = 0.0, 0
        cpu = cpu_seconds(pid)
        began = time.monotonic()
        site.dispatcher.send(signal.SIGCONT)
        await nodes.until_all_came(count)
        took = nodes.last_at - began
        cpu = cpu_seconds(pid) - cpu
        found = {"events_per_s": count / took, "cpu_us": cpu * 1e6 / count, "messages": float(nodes.messages)}
        # Hop
        nodes.hops_ms, nodes.measures_hops = [], True
        sent, turn, began = 0, 0, time.monotonic()
        cpu = cpu_seconds(pid)
        while (elapsed := time.monotonic() - began) < options.seconds:
            due = int(elapsed * options.rate) - sent
            if due > 0:
                publishers[turn % len(publishers)].publish([next(made) for _ in range(due)])
                sent, turn = sent + due, turn + 1
            await asyncio.sleep(0.001)
        await nodes.until_all_came(sent)
        nodes.measures_hops = False
        hops = sorted(nodes.hops_ms)
        found |= {"hop_p50_ms": hops[len(hops) // 2], "hop_p99_ms": hops[len(hops) * 99 // 100]}
        found |= {"hop_max_ms": hops[-1], "rate_cpu_us": (cpu_seconds(pid) - cpu) * 1e6 / sent}
        rounds.append(found)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return {name: round(statistics.median(found[name] for found in rounds), 2) for name in rounds[0]}


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the hop measurement, each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--topics", type=int, default=1_000)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--share", type=int, default=2, help="nodes that watch each topic")
    parser.add_argument("--events", type=int, default=100_000, help="of the capacity measurement, each round")
    parser.add_argument("--batch", type=int, default=500, help="events a publisher collected")
    parser.add_argument("--rate", type=int, default=5_000, help="events/s of the hop measurement")
    parser.add_argument("--publishers", type=int, default=1, help="that take turns, in the hop measurement")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    numbers = (
        options.rounds,
        options.topics,
        options.share,
        options.events,
        options.batch,
        options.rate,
        options.publishers,
    )
    if options.seconds <= 0 or min(numbers) < 1 or options.share > options.nodes or options.batch > options.topics:
        parser.error("every number must be at least 1, --share at most --nodes, --batch at most --topics")
    with durable_site() as site:
        import django

        django.setup()
        found = asyncio.run(measure(site, options))
    table = sys.stderr if options.json == "-" else sys.stdout
    print(f"capacity  {found['events_per_s']:>9,.0f} events/s, {found['cpu_us']:.1f} us of CPU each", file=table)
    print(
        f"hop       p50 {found['hop_p50_ms']:.1f}, p99 {found['hop_p99_ms']:.1f}, max {found['hop_max_ms']:.1f} ms"
        f" at {options.rate:,} events/s, {found['rate_cpu_us']:.1f} us of CPU each",
        file=table,
    )
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
