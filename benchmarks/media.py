"""Segments served by one node, beside nginx's sendfile: `./run benchmarks/media.py`.

So many readers, each with a connection that asks for one segment after the other, of a node and of nginx in turn: CPU
of the server for each MB, and what memory a reader costs it. It is counted from when every reader has had its first
segment, and without what the server takes when it is idle (a node has other things to do, too). A last phase has
readers who take nothing, so that all that may wait for them does. The files are the same ones, in the page cache; one
nginx worker, because one process of each is compared.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest_client import Parser, cpu_seconds, durable_site, write_figures
from tests.sites import free_port, wait_for

NODE, NGINX = "node", "nginx, sendfile"
SEGMENTS = 8
FIRST_MS = 1_790_000_000_000
READ_BYTES = 1024 * 1024
IDLE_SECONDS = 5.0
MB = 1_000_000


@dataclass(slots=True)
class Phase:
    """What one phase of one round measured. CPU in milliseconds; `reader_kib`: memory of the server for each reader."""

    name: str
    mb_per_second: float
    ms_per_mb: float
    ms_per_segment: float
    reader_kib: float


@dataclass(slots=True)
class Server:
    """`idle`: the CPU time that it takes in a second without a reader."""

    name: str
    pid: int
    address: tuple[str, int]
    idle: float = 0.0


def names() -> list[str]:
    return [f"{FIRST_MS}-{number}.m4s" for number in range(SEGMENTS)]


def make_video(segment_bytes: int) -> str:
    """Make a live video that anybody may see, with segments; return its id."""
    import django

    django.setup()
    from django.conf import settings

    from accounts import guests
    from videos import broadcasts

    owner = guests.create_guest("Broadcaster")
    owner.is_broadcaster = True
    owner.save()
    video = broadcasts.create_video(owner, title="A benchmark")
    broadcasts.start_video(video.id, owner)
    folder = Path(settings.MEDIA_ROOT) / str(video.id)
    folder.mkdir(parents=True)
    for path in (folder.parent, folder):
        path.chmod(0o755)  # nginx' worker reads it as another user
    for name in names():
        (folder / name).write_bytes(os.urandom(segment_bytes))
    return str(video.id)


@contextlib.contextmanager
def nginx(media: Path) -> Iterator[Server]:
    """Have nginx serve the folder, by sendfile."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit("media: no nginx to compare with (apt install nginx)")
    port, folder = free_port(), tempfile.mkdtemp(prefix="media-nginx-")
    (Path(folder) / "nginx.conf").write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  types {{ video/iso.segment m4s; }}
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /media/ {{ alias {media}/; }}
  }}
}}
""")
    argv = [found, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
    with subprocess.Popen(argv) as master:
        try:
            children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
            wait_for(lambda: children.read_text() != "", "nginx")
            yield Server(NGINX, int(children.read_text().split()[0]), ("127.0.0.1", port))
        finally:
            master.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


class Reader:
    """A connection that asks for the next segment when it has read one. What it reads is thrown away."""

    def __init__(self, address: tuple[str, int], requests: Sequence[bytes], first: int) -> None:
        self._requests = requests
        self._next = first
        self._left = 0
        self.segments = 0
        self.socket = socket.create_connection(address)
        self.ask()
        self.socket.setblocking(False)

    def ask(self) -> None:
        self.socket.sendall(self._requests[self._next % len(self._requests)])
        self._next += 1

    def read(self, buffer: bytearray) -> int:
        """Read what is there. Returns how many bytes; asks for the next segment after the last one."""
        try:
            got = self.socket.recv_into(buffer)
        except BlockingIOError:
            return 0
        if not got:
            raise SystemExit("media: the server closed a connection")
        if not self._left:
            head, _, body = bytes(buffer[:got]).partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"media: answered {head[:300]!r}")
            at = head.lower().index(b"content-length:") + len(b"content-length:")
            self._left = int(head[at:].split(b"\r\n")[0]) - len(body)
        else:
            self._left -= got
        if not self._left:
            self.segments += 1
            self.ask()
        return got


def read(server: Server, requests: Sequence[bytes], readers: int, seconds: float) -> Phase:
    """Have so many readers read for so long."""
    before_kib = resident_kib(server.pid)
    made = [Reader(server.address, requests, number) for number in range(readers)]
    poll = select.epoll()
    by_descriptor = {reader.socket.fileno(): reader for reader in made}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    buffer, highest_kib = bytearray(READ_BYTES), before_kib

    def pump() -> int:
        return sum(by_descriptor[descriptor].read(buffer) for descriptor, _ in poll.poll(1.0))

    while not all(reader.segments for reader in made):
        pump()
    before, got = sum(reader.segments for reader in made), 0
    began, cpu = time.monotonic(), cpu_seconds(server.pid)
    looked = began
    while (now := time.monotonic()) - began < seconds:
        got += pump()
        if now - looked > 0.1:
            looked, highest_kib = now, max(highest_kib, resident_kib(server.pid))
    took = time.monotonic() - began
    cpu = cpu_seconds(server.pid) - cpu - server.idle * took
    segments = sum(reader.segments for reader in made) - before
    for reader in made:
        reader.socket.close()
    reader_kib = (highest_kib - before_kib) / readers
    return Phase(server.name, got / MB / took, cpu * 1e3 / (got / MB), cpu * 1e3 / max(1, segments), reader_kib)


def measure_idle(*servers: Server) -> None:
    before = [cpu_seconds(server.pid) for server in servers]
    time.sleep(IDLE_SECONDS)
    for server, cpu in zip(servers, before, strict=True):
        server.idle = (cpu_seconds(server.pid) - cpu) / IDLE_SECONDS


def stall_kib(server: Server, requests: Sequence[bytes], readers: int) -> float:
    """Return what memory a reader costs the server who asks for a segment and takes none of it."""
    before = resident_kib(server.pid)
    made = [Reader(server.address, requests, number) for number in range(readers)]
    time.sleep(2.0)  # in which the server writes all that it can
    highest = resident_kib(server.pid)
    for reader in made:
        reader.socket.close()
    return (highest - before) / readers


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a phase")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=1_500_000, help="of a segment")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if options.seconds <= 0 or min(options.readers, options.rounds, options.bytes) < 1:
        parser.error("every number must be at least 1")
    with durable_site() as site:
        url = urlsplit(site.start_node())
        site.wait_until_ready()
        assert url.hostname and url.port
        node = Server(NODE, site.nodes[0].pid, (url.hostname, url.port))
        video_id = make_video(options.bytes)
        requests = [f"GET /media/{video_id}/{name} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode() for name in names()]
        found: dict[str, list[Phase]] = {NGINX: [], NODE: []}
        with nginx(Path(site.env["LIVE_DATA_DIR"]) / "media") as peer:
            for server in (peer, node):
                read(server, requests, options.readers, 1.0)  # first of all, into the caches
            measure_idle(peer, node)
            for _ in range(options.rounds):
                for server in (peer, node):
                    found[server.name].append(read(server, requests, options.readers, options.seconds))
            stalled = {server.name: stall_kib(server, requests, options.readers) for server in (peer, node)}
        site.nodes[0].stop()
    report(found, stalled, options.json)
    return 0


def report(found: dict[str, list[Phase]], stalled: dict[str, float], file: str | None) -> None:
    def median(name: str, field: str) -> float:
        return float(statistics.median(getattr(phase, field) for phase in found[name]))

    fields = ("mb_per_second", "ms_per_mb", "ms_per_segment", "reader_kib")
    figures = {name: {field: round(median(name, field), 3) for field in fields} for name in found}
    for name, kib in stalled.items():
        figures[name]["stalled_reader_kib"] = round(kib, 1)
    ratio = round(median(NODE, "ms_per_mb") / median(NGINX, "ms_per_mb"), 2)
    table = sys.stderr if file == "-" else sys.stdout
    print(f"{'':18} {'MB/s':>8} {'ms/MB':>8} {'ms/segment':>11} {'KiB/reader':>11} {'stalled':>8}", file=table)
    for name, row in figures.items():
        print(
            f"{name:18} {row['mb_per_second']:>8,.0f} {row['ms_per_mb']:>8.3f} {row['ms_per_segment']:>11.3f}"
            f" {row['reader_kib']:>11.1f} {row['stalled_reader_kib']:>8.1f}",
            file=table,
        )
    print(f"CPU for each MB, node to nginx: {ratio}", file=table)
    write_figures({"servers": figures, "ratio_cpu_per_mb": ratio}, file)


if __name__ == "__main__":
    sys.exit(main())
