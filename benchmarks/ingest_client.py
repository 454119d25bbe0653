"""What the ingest and dispatcher benchmarks share: a site on a durable database, closed-loop clients, CPU times."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from host import embedded
from realtime.websocket import FromServer, client_frame, new_key
from tests.sites import Site, SiteFactory

TICKS = os.sysconf("SC_CLK_TCK")


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def write_figures(found: Mapping[str, Any], file: str | None) -> None:
    """Write the figures as JSON: None: nowhere; `-`: on standard output."""
    text = json.dumps(found, indent=1)
    if file == "-":
        print(text)
    elif file:
        Path(file).write_text(text)


@contextlib.contextmanager
def durable_site(*, nodes: int = 0, env: dict[str, str] | None = None) -> Iterator[Site]:
    """Start PostgreSQL with fsync on, Valkey, a dispatcher and nodes, in a folder that goes afterwards.

    Sets the environment that the settings read: call it before anything of Django is imported.
    A run of the tests lends its PostgreSQL (TEST_DATABASE_URL), which has fsync off.
    """
    with embedded.temporary_folder() as folder, contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" in os.environ:
            os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
        else:
            for server in embedded.servers(folder, valkey=False):
                stack.enter_context(embedded.started(server, folder))
            os.environ["DATABASE_URL"] = embedded.database_url(folder)
        os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
        os.environ["LIVE_LIMITS"] = "off"
        os.environ["DJANGO_SETTINGS_MODULE"] = "liveplatform.settings"
        factory = stack.enter_context(contextlib.closing(SiteFactory(folder)))
        site = factory.start(nodes=nodes, env=env)
        stack.callback(site.close)
        os.environ |= {name: site.env[name] for name in ("DATABASE_URL", "REDIS_URL", "LIVE_DATA_DIR")}
        yield site


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, all its threads, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of its children, those that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / TICKS
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):  # ended meanwhile
            total += cpu_seconds(int(child))
    return total


def postgres_pid(site: Site) -> int:
    """Return the pid of the postmaster that the site's database belongs to."""
    import psycopg

    with psycopg.connect(site.database_url) as connection:
        backend = connection.info.backend_pid
        return int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])


@dataclass(slots=True)
class Loop:
    """A closed loop: each connection sends its next request when the last one is answered."""

    next_request: Callable[[], bytes]
    until: float
    answered: int = 0
    failed: int = 0
    sample: bytes = b""


def _is_whole(answer: bytes) -> bool:
    """Whether a response is there to its end, by its Content-Length or its last chunk."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer.lower().find(b"content-length:", 0, head)
    if at < 0:
        return answer.endswith(b"\r\n0\r\n\r\n")
    return len(answer) >= head + 4 + int(answer[at + 15 : answer.find(b"\r\n", at)])


class HttpClient(asyncio.Protocol):
    """Keep-alive HTTP/1.1."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._loop.next_request())

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        if not _is_whole(data):
            self._buffer = data
            return
        self._buffer = b""
        if data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            self._loop.answered += 1
        else:
            self._loop.failed += 1
            self._loop.sample = data[:400]
        if time.monotonic() < self._loop.until:
            self._transport.write(self._loop.next_request())
        else:
            self._transport.close()

    def connection_lost(self, exception: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run_http(url: str, *, connections: int, seconds: float, next_request: Callable[[], bytes]) -> Loop:
    """Send requests over so many connections for so long; return what was answered."""
    loop = Loop(next_request, time.monotonic() + seconds)
    address = urlsplit(url)
    assert address.hostname and address.port
    clients = [
        (await asyncio.get_running_loop().create_connection(lambda: HttpClient(loop), address.hostname, address.port))[
            1
        ]
        for _ in range(connections)
    ]
    await asyncio.wait([client.done for client in clients])
    return loop


class SocketClient:
    """A WebSocket that sends commands, `depth` of them unanswered at a time."""

    def __init__(self, loop: Loop, url: str, token: str, depth: int) -> None:
        self._loop = loop
        self._url = urlsplit(url)
        self._token = token
        self._depth = depth

    async def open(self) -> None:
        """Raises ConnectionError when the server refuses."""
        self._reader, self._writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        self._writer.write(
            f"GET /ws HTTP/1.1\r\nHost: {self._url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {new_key()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: live.v1.json\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode()
        )
        status = await self._reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in status[:20]:
            raise ConnectionError(status.decode("latin1"))

    async def run(self) -> None:
        inbound, waiting = FromServer(), self._depth
        self._send(self._depth)
        while waiting:
            data = await self._reader.read(65_536)
            if not data:
                raise ConnectionError("the server closed")
            answers = 0
            for _, text in inbound.feed(data):
                assert isinstance(text, bytes)
                if text.startswith(b'{"ack"'):
                    answers += 1
                    self._loop.answered += 1
                elif text.startswith(b'{"error"'):
                    answers += 1
                    self._loop.failed += 1
                    self._loop.sample = text[:300]
            waiting -= answers
            if answers and time.monotonic() < self._loop.until:
                self._send(answers)
                waiting += answers
        self._writer.close()

    def _send(self, count: int) -> None:
        self._writer.write(b"".join(client_frame(self._loop.next_request()) for _ in range(count)))


async def run_websockets(
    url: str, tokens: Sequence[str], *, depth: int, seconds: float, next_request: Callable[[], bytes]
) -> Loop:
    """Send commands over one WebSocket per token for so long; return what was acknowledged."""
    loop = Loop(next_request, 0.0)
    clients = [SocketClient(loop, url, token, depth) for token in tokens]
    for client in clients:
        await client.open()
    loop.until = time.monotonic() + seconds
    await asyncio.gather(*(client.run() for client in clients))
    return loop
