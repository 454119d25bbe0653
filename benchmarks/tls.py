"""What a frame by HTTPS costs, beside peers: `./run benchmarks/tls.py`.

As benchmarks/fanout.py measures: one server after the other, on a processor of its own, and a client in C that reads
every frame. All with TLS 1.3 and the same ECDSA certificate; the client takes the first cipher that both know.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fanout import SETTLE_SECONDS, Bench, say
from benchmarks.fanout_nginx import TLS, BehindNginx, Nchan
from benchmarks.fanout_report import Report, Sample, origin
from benchmarks.fanout_running import Missing, Server
from benchmarks.fanout_servers import Ours
from benchmarks.ingest_client import Parser


def servers_of(stack: contextlib.ExitStack, tls: TLS) -> list[Server]:
    ours = Ours(stack=stack)
    return [
        Server("node", "**liveplatform node**", partial(ours.start, tls=tls)),
        Server("http2", "liveplatform node, HTTP/2", partial(ours.start, tls=tls, http2=True), websocket=False),
        Server("nchan", "nginx + nchan", Nchan(tls).start),
        Server("nginx", "nginx before a node", BehindNginx(ours.start, tls).start),
        Server("plain", "liveplatform node without TLS", ours.start),
    ]


def table(servers: Sequence[Server], samples: Sequence[Sample], transport: str) -> str:
    """Return a row for each server; ratios are those of the same round."""
    rows = []
    for server in servers:
        mine, peers = (
            [sample for sample in samples if (sample.server, sample.transport) == (name, transport)]
            for name in (server.name, "nchan")
        )
        if not mine:
            continue
        ratios = [sample.us / peer.us for sample, peer in zip(mine, peers, strict=False) if peer.us]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        figures = [statistics.median(figure) for figure in zip(*map(_figures, mine), strict=True)]
        cells = [f"{figures[0]:.1f}", f"{figures[1]:.1f}", f"{figures[2]:.1f}", ratio, f"{figures[3]:.1f}"]
        cells += [f"{figures[4]:,.0f}", str(max(sample.wrong for sample in mine))]
        rows.append(f"| {server.title} | {' | '.join(cells)} |")
    return (
        f"**{'SSE' if transport == 'sse' else 'WebSocket'}**, {samples[0].viewers:,} viewers\n\n"
        "| server | CPU per frame, µs | user | system | to nchan | KB per idle viewer | connects per CPU s"
        " | viewers with a wrong count |\n|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def _figures(sample: Sample) -> tuple[float, ...]:
    return sample.us, sample.user_us, sample.system_us, sample.viewer_kb, sample.first


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="./run benchmarks/tls.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="some of node, http2, nchan, nginx, plain; comma separated")
    parser.add_argument("--viewers", type=int, default=5_000, help="of each server, 50 to 9000 (5000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of frames per round (5)")
    parser.add_argument("--rounds", type=int, default=3, help="of the servers, interleaved (3)")
    given = parser.parse_args(argv)
    # nginx before a node has two descriptors a viewer.
    if not 50 <= given.viewers <= 9_000 or given.rounds < 1 or not 0 < given.seconds <= 600:
        parser.error("--viewers is 50 to 9000, --rounds at least 1, --seconds more than 0 and at most 600")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        from tests.certificates import certificate

        key, chain = certificate(Path(name))
        servers = servers_of(stack, (chain, key))
        known = [server.name for server in servers]
        chosen = given.only.split(",") if given.only else known
        if unknown := [each for each in chosen if each not in known]:
            parser.error(f"--only knows {', '.join(known)}; not {unknown[0] or 'nothing'}")
        samples, missing = measure(
            Bench(given.viewers, given.seconds, Path(name), SETTLE_SECONDS), servers, chosen, given
        )
    report = Report(samples, command=f"./run benchmarks/tls.py --viewers {given.viewers} --rounds {given.rounds}")
    parts = [origin(report)]
    parts += [table(servers, samples, transport) for transport in ("sse", "websocket") if samples]
    print("\n\n".join([*parts, *missing]))
    return 1 if any(sample.wrong for sample in samples) else 0


def measure(
    bench: Bench, servers: Sequence[Server], chosen: Sequence[str], given: argparse.Namespace
) -> tuple[list[Sample], list[str]]:
    samples: list[Sample] = []
    missing: dict[str, str] = {}
    for _ in range(given.rounds):
        for websocket in (False, True):
            for server in servers:
                if server.name not in chosen or server.name in missing or (websocket and not server.websocket):
                    continue
                try:
                    samples.append(bench.measure(server, websocket=websocket))
                except Missing as error:
                    missing[server.name] = f"{server.title}: not measured, {error}."
                    continue
                say(f"{server.title}, {samples[-1].transport}: {samples[-1].us:.2f} us")
    return samples, list(missing.values())


if __name__ == "__main__":
    sys.exit(main())
