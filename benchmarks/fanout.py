"""What a delivered frame costs the server, beside its peers: `./run benchmarks/fanout.py`.

Same client, same payload, same run. Server and client have a processor each; frames go out one after the other, each
when all viewers have read the one before. Printed: processor time of the server's processes per delivered frame, memory
per idle viewer, viewers accepted per second of the server's processor time. Medians of interleaved rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fanout_nginx import Nchan
from benchmarks.fanout_report import Report, Sample, tables, write
from benchmarks.fanout_running import Missing, Running, Server, compiled
from benchmarks.fanout_servers import Bare, Channels, EventStream, Ours, Pushpin, install
from benchmarks.ingest_client import Parser

TICK = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024
SETTLE_SECONDS, QUICK_SETTLE_SECONDS = 1.5, 0.3
ANSWER_SECONDS = 30.0
# A frame is due that often, to every server: who writes without a pause finds the caches warm and the reader awake,
# which is cheaper by a fifth to a half. 5,000 viewers: 5 frames a second, what our node's own rule allows.
INTERVAL_SECONDS_A_VIEWER = 40e-6
INTERVAL_MIN_SECONDS = 0.025


def family(roots: Sequence[int]) -> list[int]:
    """Return the processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
    found = list(roots)
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from `state` on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used: seconds of processor time, and resident memory in KB."""

    user: float
    system: float
    kilobytes: float

    @classmethod
    def of(cls, roots: Sequence[int]) -> Usage:
        stats = [_stat(pid) for pid in family(roots)]
        return cls(
            sum(int(stat[11]) for stat in stats) / TICK,
            sum(int(stat[12]) for stat in stats) / TICK,
            sum(int(stat[21]) for stat in stats) * PAGE_KB,
        )

    @property
    def cpu(self) -> float:
        return self.user + self.system


@dataclass(frozen=True, slots=True)
class Got:
    """How many viewers have the frames they should have, and what all have read."""

    exact: int
    fewer: int
    more: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """Frames that were sent, the seconds of processor time that they took, how long it took, who has them."""

    frames: int
    user: float
    system: float
    seconds: float
    got: Got


class Viewers:
    """The client process: many viewers of one server."""

    def __init__(self, program: str, running: Running, folder: Path) -> None:
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as requests:
            requests.write(b"".join(b"%d\n%b" % (len(request), request) for request in running.requests))
        argv = [program, str(running.port), requests.name, running.opened]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.count = 0

    def connect(self, count: int, *, at_once: int = 200) -> float:
        """Have that many more; return the seconds it took until their streams were open."""
        self.count += count
        return float(self._ask(f"connect {count} {at_once}")[0])

    def reset(self) -> None:
        self._ask("reset")

    def expect(self, frames: int, *, seconds: float = ANSWER_SECONDS) -> Got:
        """Wait until everybody has that many frames since the reset."""
        return Got(*(int(word) for word in self._ask(f"expect {frames} {seconds}")[:4]))

    def _ask(self, line: str) -> list[str]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the client has ended: {line}")
        return answer.split()[1:]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass(slots=True)
class Bench:
    """How to measure: how many viewers, for how long, and where programs are."""

    viewers: int
    seconds: float
    folder: Path
    settle_seconds: float = SETTLE_SECONDS

    def measure(self, server: Server, *, websocket: bool, viewers: int = 0) -> Sample:
        """Start the server, fill it with viewers, and count what frames cost. Raises Missing."""
        viewers = min(viewers or self.viewers, server.viewers_max)
        warm = max(5, viewers // 50)
        some = min(1_000, (viewers - warm) // 2)
        with self.placed(server.start(websocket)) as running, self.watching(running) as watching:
            watching.connect(warm, at_once=server.at_once)
            time.sleep(self.settle_seconds)
            before = Usage.of(running.pids)
            marks = [before.cpu]
            for count in (some, viewers - warm - 2 * some, some):
                if count:
                    watching.connect(count, at_once=server.at_once)
                marks.append(Usage.of(running.pids).cpu)
            time.sleep(self.settle_seconds)
            filled = Usage.of(running.pids)
            time.sleep(self.settle_seconds)
            idle = (Usage.of(running.pids).cpu - filled.cpu) / self.settle_seconds
            delivered = self.deliver(running, watching, frames_max=server.frames_max)
            each = 1e6 / delivered.frames / viewers
            return Sample(
                server=server.name,
                transport="websocket" if websocket else "sse",
                viewers=viewers,
                frames=delivered.frames,
                user_us=delivered.user * each,
                system_us=delivered.system * each,
                idle_us=idle * delivered.seconds * each,
                frame_bytes=delivered.got.bytes / viewers / delivered.frames,
                viewer_kb=(filled.kilobytes - before.kilobytes) / (viewers - warm),
                first=some / max(marks[1] - marks[0], 1 / TICK),
                last=some / max(marks[3] - marks[2], 1 / TICK),
                wrong=delivered.got.fewer + delivered.got.more,
            )

    def deliver(self, running: Running, watching: Viewers, *, frames_max: int = 10_000) -> Delivered:
        """Send frames, each after the former was read by all."""
        running.publish()  # the first one is not counted: caches, lookups, buffers
        watching.expect(1)
        watching.reset()
        before = Usage.of(running.pids)
        began = time.monotonic()
        interval = max(INTERVAL_MIN_SECONDS, watching.count * INTERVAL_SECONDS_A_VIEWER)
        frames = 0
        while frames < frames_max and (frames < 3 or time.monotonic() < began + self.seconds):
            due = time.monotonic() + interval
            running.publish()
            frames += 1
            got = watching.expect(frames)
            if got.exact < watching.count:
                say(f"frame {frames}: {got.fewer} viewers have fewer, {got.more} have more")
                break
            time.sleep(max(0.0, due - time.monotonic()))
        after = Usage.of(running.pids)
        return Delivered(frames, after.user - before.user, after.system - before.system, time.monotonic() - began, got)

    @contextlib.contextmanager
    def placed(self, starting: contextlib.AbstractContextManager[Running]) -> Iterator[Running]:
        """Start a server on the first processor; this process and its clients use the last one."""
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, processors[:1])
        try:
            with starting as running:
                os.sched_setaffinity(0, processors[-1:])
                yield running
        finally:
            os.sched_setaffinity(0, processors)

    @contextlib.contextmanager
    def watching(self, running: Running) -> Iterator[Viewers]:
        program = compiled("fanout_client", self.folder, tls=running.has_tls)
        viewers = Viewers(program, running, self.folder)
        try:
            yield viewers
        finally:
            viewers.close()

    # What only concerns our node

    def bystanders(self, ours: Ours, viewers: int) -> tuple[float, float]:
        """Return what a frame to 100 viewers of a video costs, in us a frame: alone, beside `viewers` of another."""
        costs = []
        for others in (0, viewers):
            with self.placed(ours.start(False)) as running:
                quiet, busy = ours.topics[:2]
                requests = ours.requests([quiet, busy], websocket=False)
                publishing = replace(running, requests=requests[1:], publish=partial(ours.publish, [busy]))
                with (
                    self.watching(replace(running, requests=requests[:1])) as idle,
                    self.watching(publishing) as watching,
                ):
                    if others:
                        idle.connect(others)
                    watching.connect(100)
                    time.sleep(2 * self.settle_seconds)
                    delivered = self.deliver(publishing, watching)
                    if delivered.got.exact < watching.count or (others and idle.expect(0).more):
                        raise RuntimeError("a frame went astray")
                    costs.append((delivered.user + delivered.system) / delivered.frames * 1e6)
        return costs[0], costs[1]

    def small(self, ours: Ours, topics: int) -> tuple[float, float]:
        """Return us per delivery to `topics` videos of 5 viewers each, and to one of as many viewers."""
        costs = []
        for some in (topics, 1):
            with self.placed(ours.start(False)) as running:
                chosen = ours.topics[:some]
                requests = ours.requests(chosen, websocket=False)
                publishing = replace(running, requests=requests, publish=partial(ours.publish, chosen))
                with self.watching(publishing) as watching:
                    watching.connect(5 * topics)
                    time.sleep(2 * self.settle_seconds)
                    delivered = self.deliver(publishing, watching)
                    if delivered.got.exact < watching.count:
                        raise RuntimeError("a frame went astray")
                    costs.append((delivered.user + delivered.system) / delivered.frames / watching.count * 1e6)
        return costs[0], costs[1]


def servers_of(ours: Ours, folder: Path) -> list[Server]:
    layers = {
        "channels-pubsub": ("Channels, Redis pub/sub layer", "channels_redis.pubsub.RedisPubSubChannelLayer", 3),
        "channels-core": ("Channels, Redis core layer", "channels_redis.core.RedisChannelLayer", 3),
        "channels-memory": ("Channels, in-memory layer", "channels.layers.InMemoryChannelLayer", 3),
    }
    return [
        Server("ours", "liveplatform node", ours.start),
        Server("nchan", "nginx + nchan", Nchan().start),
        Server("bare", "bare C loop", Bare(folder).start),
        Server("pushpin", "Pushpin", Pushpin().start, websocket=False, at_once=20, rounds_max=1),
        *(
            Server(
                name,
                title,
                Channels(layer).start,
                # In memory a frame to 5,000 takes ten seconds.
                viewers_max=1_000 if "memory" in name else 20_000,
                frames_max=frames,
                at_once=50,
                rounds_max=1,
            )
            for name, (title, layer, frames) in layers.items()
        ),
        Server(
            "eventstream",
            "django-eventstream",
            EventStream().start,
            websocket=False,
            frames_max=10,
            at_once=50,
            rounds_max=1,
        ),
    ]


PARTS = ("growth", "bystanders", "small")
GROWTH = (100, 1_000, 5_000, 17_000)
SMALL_TOPICS = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="./run benchmarks/fanout.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="some of the servers and parts, comma separated")
    parser.add_argument("--viewers", type=int, default=5_000, help="of each server, 50 to 17000 (5000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of frames per round (5)")
    parser.add_argument("--rounds", type=int, default=3, help="of the servers, interleaved (3)")
    parser.add_argument("--quick", action="store_true", help="one round of one second, SSE and WebSocket")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, - for standard output")
    parser.add_argument("--install", action="store_true", help="install the peers first (apt-get, pip in an own venv)")
    parser.add_argument("--write", action="store_true", help="rewrite the measured parts of docs/benchmarks.md")
    given = parser.parse_args(argv)
    if given.quick:
        given.rounds, given.seconds = 1, min(given.seconds, 1.0)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ours = Ours(stack=stack)
        servers = servers_of(ours, folder)
        known = [*(server.name for server in servers), *PARTS]
        chosen = given.only.split(",") if given.only else known
        if unknown := [name for name in chosen if name not in known]:
            parser.error(f"--only knows {', '.join(known)}; not {unknown[0] or 'nothing'}")
        if not 50 <= given.viewers <= 17_000 or given.rounds < 1 or not 0 < given.seconds <= 600:
            parser.error("--viewers is 50 to 17000, --rounds at least 1, --seconds more than 0 and at most 600")
        ours.videos = SMALL_TOPICS if "small" in chosen else 2
        if given.install:
            install()
        settle = QUICK_SETTLE_SECONDS if given.quick else SETTLE_SECONDS
        report = run(Bench(given.viewers, given.seconds, folder, settle), ours, servers, chosen, given.rounds)
    # Without where the figures went: that is nobody's business.
    asked = [f"--only {given.only}"] if given.only else []
    asked += [f"--viewers {given.viewers}", f"--rounds {given.rounds}", f"--seconds {given.seconds:g}"]
    report.command = " ".join(["./run", "benchmarks/fanout.py", *asked])
    if given.json == "-":
        print(json.dumps(asdict(report), indent=1))
    else:
        print(tables(report))
        if given.json:
            Path(given.json).write_text(json.dumps(asdict(report), indent=1))
    if given.write:
        write(report)
    return 1 if any(sample.wrong for sample in report.samples + report.growth) else 0


def run(bench: Bench, ours: Ours, servers: Sequence[Server], chosen: Sequence[str], rounds: int) -> Report:
    """Measure what was chosen, rounds interleaved; what is missing is named in the report."""
    report = Report()
    for round in range(rounds):
        for websocket in (False, True):
            for server in servers:
                if server.name not in chosen or websocket > server.websocket or round >= server.rounds_max:
                    continue
                if server.name in report.missing:
                    continue
                try:
                    sample = bench.measure(server, websocket=websocket)
                except (Missing, RuntimeError, OSError) as error:
                    # A peer that falls over is a result too; ours is not to.
                    if server.name == "ours" and not isinstance(error, Missing):
                        raise
                    report.missing[server.name] = str(error)
                    say(f"{server.title}: {error}")
                    continue
                report.samples.append(sample)
                say(f"{server.title}, {sample.transport}: {sample.us:.2f} us, {sample.wrong} viewers wrong")
    if "growth" in chosen:
        (node,) = [server for server in servers if server.name == "ours"]
        (floor,) = [server for server in servers if server.name == "bare"]
        for viewers in GROWTH:
            for server in (node, floor):
                report.growth.append(bench.measure(server, websocket=False, viewers=viewers))
                say(f"{viewers} viewers, {server.title}: {report.growth[-1].us:.2f} us")
        report.growth.append(bench.measure(node, websocket=True, viewers=GROWTH[-1]))
    if "bystanders" in chosen:
        report.bystanders = bench.bystanders(ours, bench.viewers)
        say("frame to 100 viewers, alone and beside others: {:.0f} and {:.0f} us".format(*report.bystanders))
    if "small" in chosen:
        report.small = bench.small(ours, SMALL_TOPICS)
        say("small videos and a large one: {:.2f} and {:.2f} us".format(*report.small))
    return report


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
