"""The servers that `benchmarks/fanout.py` compares, each started the same way: alone, on one processor, empty.

A `Server` knows how to start one (a context manager that gives a `Running`) and why it cannot, if it cannot. Peers
have the best setting that their documentation names; the page is cited where it is set. Nothing here measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from django.utils.module_loading import import_string

from benchmarks.fanout_nginx import TLS
from benchmarks.fanout_running import (
    FRAME_BYTES,
    HERE,
    KIND,
    NOWHERE,
    SSE_AROUND,
    SSE_OPEN,
    WEBSOCKET_ACCEPT,
    Missing,
    Running,
    accepts,
    child,
    compiled,
    listen,
    opens,
    payload,
    post,
    request,
    request_by_http2,
    wait_for,
)
from host.embedded import free_port
from host.programs import node
from realtime.events import Burst, TopicName, frame, now_ms, to_wire

# The floor


@dataclass(slots=True)
class Bare:
    """An epoll loop in C that knows nothing: the cost of write(2) itself."""

    folder: Path

    @contextlib.contextmanager
    def start(self, websocket: bool) -> Iterator[Running]:
        data = {"topic": NOWHERE, "counts": {KIND: 1}, "at_ms": now_ms()}
        made = frame("reactions", data)
        data_bytes = made.websocket if websocket else made.sse
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n\r\n"
            if websocket
            else "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        program = compiled("fanout_bare", self.folder)
        with listen() as listening:
            argv = [program, str(listening.fileno()), head]
            running = subprocess.Popen(argv, pass_fds=[listening.fileno()], stdin=subprocess.PIPE)
            assert running.stdin
            port = listening.getsockname()[1]
        pipe = running.stdin

        def publish() -> None:
            pipe.write(b"%d\n%b" % (len(data_bytes), data_bytes))
            pipe.flush()

        try:
            yield Running([running.pid], port, [request("/", websocket=websocket)], publish)
        finally:
            pipe.close()  # its end
            running.wait(10)


# Ours


@dataclass(slots=True)
class Ours:
    """The real node, with Valkey, PostgreSQL and dispatcher beside it; each start is a fresh node of the same site.

    A frame is published as the dispatcher does it: by the dispatch task itself, run here, so its lookup in the shared
    table and its message through the channel layer are the product's own. Its topics are videos that exist.
    """

    videos: int = 1
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    topics: list[TopicName] = field(default_factory=list)
    _site: object = None

    @contextlib.contextmanager
    def start(self, websocket: bool, tls: TLS | None = None, *, http2: bool = False) -> Iterator[Running]:
        """`tls`: certificate and key, if the node is to speak HTTPS. `http2`: event streams come by it."""
        with self.node(tls) as (pids, port):
            topic = self.topics[0]
            requests = self.requests([topic], websocket=websocket, http2=http2)
            yield Running(pids, port, requests, lambda: self.publish([topic]), "hello", has_tls=tls is not None)

    @contextlib.contextmanager
    def node(self, tls: TLS | None = None) -> Iterator[tuple[list[int], int]]:
        """Have a fresh node for the length of the block: ids of its process and of Valkey, its port."""
        from tests.sites import Site

        if self._site is None:
            self._site = self._make_site()
        assert isinstance(self._site, Site)
        # On a port of its own: viewers of the last one still have its port.
        self._site.nodes.clear()
        self._site.urls.clear()
        if tls is None:
            self._site.start_node()
            port = int(self._site.urls[0].rpartition(":")[2])
        else:
            self._site.env |= {"LIVE_TLS_CERT": str(tls[0]), "LIVE_TLS_KEY": str(tls[1])}
            with listen() as secure:
                self._site.start_node(program=lambda name, fd: node(name, fd, secure.fileno()))
                port = secure.getsockname()[1]
            del self._site.env["LIVE_TLS_CERT"], self._site.env["LIVE_TLS_KEY"]
        self._site.wait_until_ready()
        try:
            yield [self._site.nodes[0].pid, self._site.valkey.pid], port
        finally:
            self._site.nodes[0].kill()
            # A killed node's lease would outlive it and catch what is published to the next one.
            with self._site.redis() as redis:
                redis.flushall()

    def requests(self, topics: Sequence[TopicName], *, websocket: bool, http2: bool = False) -> list[bytes]:
        """What viewers of the topics send, one each, with a ticket that is valid for a minute."""
        from realtime.edge import tickets

        path = "/ws" if websocket else "/events"
        paths = [f"{path}?topic={topic}&ticket={tickets.issue([topic], load=True)}" for topic in topics]
        return [request_by_http2(path) if http2 else request(path, websocket=websocket) for path in paths]

    def publish(self, topics: Sequence[TopicName]) -> None:
        from realtime import tasks

        tasks.dispatch([to_wire(Burst(topic, {KIND: 1}, now_ms())) for topic in topics])

    def _make_site(self) -> object:
        import tests.servers  # noqa: F401  (starts PostgreSQL and Valkey for this process)
        from host import embedded
        from tests.rooms import open_room
        from tests.sites import SiteFactory

        folder = self.stack.enter_context(embedded.temporary_folder())
        factory = self.stack.enter_context(contextlib.closing(SiteFactory(folder)))
        # The shortest frame interval: the benchmark waits for every frame, and waiting is not measured.
        site = factory.start(nodes=1, env={"LIVE_LIMITS": "off", "LIVE_FRAME_MS": "10", "LOG_LEVEL": "WARNING"})
        self.stack.callback(site.close)

        async def make_videos() -> list[TopicName]:
            async with open_room(site, people=1) as room:
                ids = [room.video_id]
                while len(ids) < self.videos:
                    some = min(20, self.videos - len(ids))
                    ids += await asyncio.gather(*(room.new_video() for _ in range(some)))
                return [TopicName(f"video:{id}") for id in ids]

        self.topics = asyncio.run(make_videos())
        os.environ["REDIS_URL"], os.environ["DATABASE_URL"] = site.redis_url, site.database_url
        os.environ["DJANGO_SETTINGS_MODULE"] = "liveplatform.settings"
        import django

        django.setup()
        site.nodes[0].kill()
        return site


# Pushpin


@dataclass(slots=True)
class Pushpin:
    """Pushpin of the distribution, published to by its HTTP control port.

    https://github.com/fanout/pushpin-c1m, README: "Pushpin" (smaller client buffers, a higher `client_maxconn`) and
    "Backend" (an origin that answers with GRIP headers: this process, asked only when somebody connects). The rates
    of pushpin.conf only throttle and are out of the way. By WebSocket it did not take our viewers reliably: left out.
    """

    @contextlib.contextmanager
    def start(self, websocket: bool) -> Iterator[Running]:
        found = [shutil.which(program) for program in ("condure", "pushpin-proxy", "pushpin-handler", "zurl")]
        internal = Path("/usr/lib/pushpin/internal.conf")
        if None in found or not internal.exists():
            raise Missing("no pushpin (apt install pushpin, or --install)")
        folder = Path(tempfile.mkdtemp(prefix="fanout-pushpin-"))
        port, control = free_port(), free_port()
        text = internal.read_text().replace("/var/run/zurl/", f"{folder}/")
        (folder / "internal.conf").write_text(text)
        (folder / "zurl.conf").write_text(f"""[General]
in_spec=ipc://{folder}/zurl-in
in_stream_spec=ipc://{folder}/zurl-in-stream
out_spec=ipc://{folder}/zurl-out
in_req_spec=ipc://{folder}/zurl-req
defpolicy=allow
max_open_requests=2000
""")
        with _grip_origin() as origin:
            (folder / "routes").write_text(f"* 127.0.0.1:{origin}\n")
            (folder / "pushpin.conf").write_text(f"""[global]
include={folder}/internal.conf
rundir={folder}
ipc_prefix=fanout-
port_offset=0
stats_connection_ttl=600
[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:{port}
logdir={folder}
log_level=0
client_buffer_size=4096
client_maxconn=19000
[proxy]
routesfile=routes
[handler]
push_in_spec=tcp://127.0.0.1:{free_port()}
push_in_sub_specs=tcp://127.0.0.1:{free_port()}
push_in_http_addr=127.0.0.1
push_in_http_port={control}
command_spec=tcp://127.0.0.1:{free_port()}
message_rate=10000000
message_hwm=10000000
""")
            with (
                child(["zurl", f"--config={folder}/zurl.conf", f"--logfile={folder}/zurl.log"]) as zurl,
                child(["pushpin", f"--config={folder}/pushpin.conf", "--loglevel=0"]) as pushpin,
            ):
                # Its parts come up one after the other: a stream that opens has been through all of them.
                wait_for(lambda: accepts(control) and opens(port), "pushpin")
                yield Running(
                    [pushpin, zurl],
                    port,
                    [request("/", websocket=False)],
                    lambda: post(control, "/publish/", json.dumps(_grip_item()), "application/json"),
                    ": open\n\n",
                )
        shutil.rmtree(folder, ignore_errors=True)


def _grip_item() -> object:
    content = f"event: reactions\ndata: {payload(FRAME_BYTES[False] - len(SSE_AROUND))}\n\n"
    return {"items": [{"channel": "live", "formats": {"http-stream": {"content": content}}}]}


class _GripOrigin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b": open\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Grip-Hold", "stream")
        self.send_header("Grip-Channel", "live")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def _grip_origin() -> Iterator[int]:
    """Have the origin in a thread of this process; give its port."""

    class Origin(http.server.ThreadingHTTPServer):
        request_queue_size = 1024

    with Origin(("127.0.0.1", 0), _GripOrigin) as origin:
        threading.Thread(target=origin.serve_forever, daemon=True).start()
        yield origin.server_address[1]
        origin.shutdown()


# Channels with a group per video


@dataclass(slots=True)
class Channels:
    """Stock Daphne and Channels, a group per video, on the layer of that class."""

    layer: str

    @contextlib.contextmanager
    def start(self, websocket: bool) -> Iterator[Running]:
        from host import embedded

        with contextlib.ExitStack() as stack:
            pids: list[int] = []
            hosts: list[dict[str, object]] = []
            if "memory" not in self.layer.lower():
                folder = stack.enter_context(embedded.temporary_folder())
                (server,) = embedded.servers(folder, postgres=False, durable=False)
                pids.append(stack.enter_context(embedded.started(server, folder)).pid)
                # The layer waits for messages in Redis, longer than redis-py waits for an answer by itself.
                # Each viewer who joins takes a connection for a moment.
                hosts = [{"address": embedded.redis_url(folder), "socket_timeout": None, "max_connections": 10_000}]
            layer = {"BACKEND": self.layer, "CONFIG": {"hosts": hosts} if hosts else {}}
            port = free_port()
            argv = daphne(sys.executable, port, "benchmarks.fanout_channels:application")
            pids.append(stack.enter_context(child(argv, env=os.environ | {"FANOUT_LAYER": json.dumps(layer)})))
            wait_for(lambda: accepts(port), "Daphne")
            size = FRAME_BYTES[websocket] - (4 if websocket else len(SSE_AROUND))
            if hosts:
                publish = stack.enter_context(_group_send(self.layer, hosts, size))
            else:
                publish = partial(_post_payload, port, size)
            requests = [request("/sub", websocket=websocket)]
            yield Running(pids, port, requests, publish, SSE_OPEN if websocket else ": open\n\n")


@contextlib.contextmanager
def _group_send(backend: str, hosts: list[dict[str, object]], size: int) -> Iterator[Callable[[], None]]:
    """Give what publishes as any process of the site would: through the layer, from outside."""
    layer = import_string(backend)(hosts=hosts)
    with asyncio.Runner() as runner:
        yield lambda: runner.run(layer.group_send("live", {"type": "live.event", "data": payload(size)}))


def _post_payload(port: int, size: int) -> None:
    post(port, "/pub", payload(size), "application/json")


def daphne(python: str, port: int, application: str) -> list[str]:
    """Return the command line of a stock Daphne. An endpoint for the backlog: the usual 50 drops viewers."""
    endpoint = f"tcp:port={port}:interface=127.0.0.1:backlog=4096"
    return [python, "-m", "daphne", "--verbosity", "0", "--endpoint", endpoint, application]


# django-eventstream

ENVIRONMENT = Path(tempfile.gettempdir()) / "liveplatform-benchmarks-venv"


@dataclass(slots=True)
class EventStream:
    """django-eventstream under Daphne, from an environment of its own."""

    @contextlib.contextmanager
    def start(self, websocket: bool) -> Iterator[Running]:
        python = ENVIRONMENT / "bin" / "python"
        if not python.exists():
            raise Missing("no django-eventstream (--install)")
        port = free_port()
        env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        argv = daphne(str(python), port, "fanout_eventstream:application")
        with child(argv, env=env | {"PYTHONPATH": str(HERE)}) as pid:
            wait_for(lambda: accepts(port), "Daphne")
            size = FRAME_BYTES[False] - len(SSE_AROUND) - len("     ")  # it encodes the JSON again, with spaces
            yield Running(
                [pid], port, [request("/sub", websocket=False)], partial(_post_payload, port, size), "stream-open"
            )


def install() -> None:
    """Install the peers by the machine's own package managers. Raises CalledProcessError."""
    if shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=True)
        packages = ["nginx", "libnginx-mod-nchan", "pushpin"]
        subprocess.run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
            check=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "django-eventstream==5.3.4", "daphne==4.2.3"], check=True)
