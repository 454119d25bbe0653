"""Likes stored and acknowledged by one node, beside what an empty endpoint costs: `./run benchmarks/ingest.py`.

One node, one dispatcher, PostgreSQL with fsync on, the client on the same machine. Rounds of the same phases, medians:
an empty django-ninja endpoint as Django serves it, the same through the API's own entry, likes by REST (each by another
viewer, so each is a new row), likes by WebSocket (most change the kind). At the end the counters must equal the rows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest_client import (
    Loop,
    Parser,
    cpu_seconds,
    durable_site,
    family_cpu_seconds,
    postgres_pid,
    run_http,
    run_websockets,
    write_figures,
)
from host.processes import Program
from host.programs import CHECKOUT, DRAIN_SECONDS, PYTHON
from tests.sites import Site

VIEWERS = 40_000
EMPTY, OWN, REST, WEBSOCKET = "empty endpoint, Django's handler", "empty endpoint", "like by REST", "like by WebSocket"


@dataclass(slots=True)
class Phase:
    """What one phase of one round measured. CPU in microseconds per answer."""

    name: str
    per_second: float
    node_us: float
    database_us: float
    client_us: float


def node(name: str, listening_fd: int) -> Program:
    argv = (*PYTHON, "-m", "benchmarks.ingest_node", "--fd", str(listening_fd))
    return Program(name, argv, stop_seconds=DRAIN_SECONDS, cwd=CHECKOUT, fds=(listening_fd,))


def prepare(viewers: int) -> tuple[str, list[str]]:
    """Make a live video and its viewers; return its id and their tokens."""
    from accounts import guests, tokens
    from accounts.models import Viewer
    from videos import broadcasts

    owner = guests.create_guest("Broadcaster")
    owner.is_broadcaster = True
    owner.save()
    video = broadcasts.create_video(owner, title="A benchmark")
    broadcasts.start_video(video.id, owner)
    people = [
        Viewer(username=f"viewer-{number}", name=f"Viewer {number}", is_guest=True, password=owner.password)
        for number in range(viewers)
    ]
    Viewer.objects.bulk_create(people, batch_size=5_000)
    return str(video.id), [tokens.issue_token(person) for person in people]


def kinds() -> Iterator[str]:
    from videos.models import LikeKind

    return itertools.cycle(LikeKind.values)


def put(path: str, host: str, *, token: str = "", body: bytes = b"") -> bytes:
    head = f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"\r\n" + body


def rest_requests(host: str, video_id: str, tokens: list[str]) -> Iterator[bytes]:
    """Each viewer likes; when all have, each with another kind."""
    for kind in kinds():
        body = json.dumps({"kind": kind}).encode()
        for token in tokens:
            yield put(f"/api/v1/videos/{video_id}/like", host, token=token, body=body)


def socket_commands(video_id: str) -> Iterator[bytes]:
    # Six kinds in turn, to whichever viewer is next: about one like in six repeats the last one and changes nothing.
    for number, kind in zip(itertools.count(1), kinds(), strict=False):
        yield json.dumps({"op": "like", "ref": number, "video": video_id, "kind": kind}).encode()


def measure(name: str, site: Site, database: int, run: Callable[[], Loop], seconds: float) -> Phase:
    pids = (site.nodes[0].pid, os.getpid())
    before = [*map(cpu_seconds, pids), family_cpu_seconds(database)]
    found = run()
    after = [*map(cpu_seconds, pids), family_cpu_seconds(database)]
    if found.failed or not found.answered:
        raise SystemExit(f"ingest: {name}: {found.failed} of {found.answered + found.failed} failed: {found.sample!r}")
    node_us, client_us, database_us = ((b - a) * 1e6 / found.answered for a, b in zip(before, after, strict=True))
    return Phase(name, found.answered / seconds, node_us, database_us, client_us)


def check_counts() -> int:
    """Return how many likes are stored. Raises SystemExit when the counters say something else."""
    from django.db.models import Sum

    from videos.models import Like, LikeCount

    rows, counted = Like.objects.count(), LikeCount.objects.aggregate(total=Sum("count"))["total"]
    if rows != counted:
        raise SystemExit(f"ingest: {rows} likes are stored, {counted} are counted")
    return rows


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a phase")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64, help="of REST")
    parser.add_argument("--websockets", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4, help="commands unanswered per WebSocket")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if options.seconds <= 0 or min(options.rounds, options.connections, options.websockets, options.depth) < 1:
        parser.error("every number must be at least 1")
    with durable_site() as site:
        url = site.start_node(program=node)
        site.wait_until_ready()
        import django

        django.setup()
        video_id, tokens = prepare(VIEWERS)
        database = postgres_pid(site)
        host = url.partition("://")[2]
        likes, commands = rest_requests(host, video_id, tokens), socket_commands(video_id)
        stock, own = put("/stock/v1/empty", host), put("/api/v1/bench/empty", host)

        def http(next_request: Callable[[], bytes]) -> Loop:
            return asyncio.run(
                run_http(url, connections=options.connections, seconds=options.seconds, next_request=next_request)
            )

        def websockets() -> Loop:
            chosen = tokens[: options.websockets]
            return asyncio.run(
                run_websockets(
                    url, chosen, depth=options.depth, seconds=options.seconds, next_request=commands.__next__
                )
            )

        phases: list[tuple[str, Callable[[], Loop]]] = [
            (EMPTY, lambda: http(lambda: stock)),
            (OWN, lambda: http(lambda: own)),
            (REST, lambda: http(likes.__next__)),
            (WEBSOCKET, websockets),
        ]
        found: dict[str, list[Phase]] = {}
        for _ in range(options.rounds):
            for name, run in phases:
                found.setdefault(name, []).append(measure(name, site, database, run, options.seconds))
        stored = check_counts()
        site.nodes[0].stop()
    report(found, stored, options.json)
    return 0


def report(found: dict[str, list[Phase]], stored: int, file: str | None) -> None:
    def median(name: str, field: str) -> float:
        return float(statistics.median(getattr(phase, field) for phase in found[name]))

    fields = ("per_second", "node_us", "database_us", "client_us")
    figures = {name: {field: round(median(name, field), 1) for field in fields} for name in found}
    ratios = {
        "rest_to_empty_rate": round(median(REST, "per_second") / median(EMPTY, "per_second"), 3),
        "rest_to_empty_node_cpu": round(median(REST, "node_us") / median(EMPTY, "node_us"), 3),
        "rest_to_own_empty_rate": round(median(REST, "per_second") / median(OWN, "per_second"), 3),
    }
    table = sys.stderr if file == "-" else sys.stdout
    print(f"{'':34} {'per s':>8} {'node us':>8} {'pg us':>8} {'client us':>9}", file=table)
    for name, row in figures.items():
        print(f"{name:34} " + " ".join(f"{row[field]:>8,.0f}" for field in fields), file=table)
    print(f"{stored:,} likes stored, as counted. {ratios}", file=table)
    write_figures({"phases": figures, "ratios": ratios, "stored": stored}, file)


if __name__ == "__main__":
    sys.exit(main())
