"""The node's server against what stock Daphne and Channels do wrong under ordinary load.

The rows L1 to L16 are those of the research in docs/how-it-works.md; each docstring says what the stock server does.
Its process runs a small application that misbehaves on demand (server_under_test.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from loadtest.wire import parse_head
from realtime.edge.application import INBOUND_MAX_FRAMES
from realtime.edge.bound import WAITING_MAX_BYTES
from realtime.edge.handoff import USER_TIMEOUT_MS
from realtime.edge.server import BODY_MAX_BYTES
from realtime.websocket import MESSAGE_MAX_BYTES, PING, client_frame, websocket_frame
from tests.certificates import certificate
from tests.watching import HANG_SECONDS, eventually

MEGABYTE = 1024 * 1024
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
)


class Running:
    """The server's process. `trust`: what to trust where it speaks HTTPS."""

    def __init__(self, trust: ssl.SSLContext | None = None, **env: str) -> None:
        self.trust = trust
        self.env = env
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.realtime.edge.server_under_test"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env},
            text=True,
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline() or self._fail())

    def _fail(self) -> str:
        pytest.fail(f"the server did not start: {self.process.communicate()}")

    async def request(self, head: str, body: bytes = b"") -> tuple[int, Any]:
        """Send one request on a connection of its own; return the answer's status and JSON."""
        async with Line.to(self) as line:
            line.send(f"{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n", body)
            return await line.answer()

    async def state(self) -> dict[str, Any]:
        status, state = await self.request("GET /state")
        assert status == 200
        return dict(state)

    async def is_empty(self) -> bool:
        state = await self.state()
        return {state["connections"], state["running"], state["streams"]} == {0}

    def rss_max_kib(self) -> int:
        """Return the most memory that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    def terminate(self) -> tuple[int, str, str]:
        """Ask it to stop; return exit code, output and log."""
        self.process.send_signal(signal.SIGTERM)
        output, log = self.process.communicate(timeout=HANG_SECONDS)
        return self.process.returncode, output, log

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Line:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, server: Running) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.trust)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    def send(self, *parts: str | bytes) -> None:
        self.writer.write(b"".join(part.encode() if isinstance(part, str) else part for part in parts))

    async def until(self, text: bytes) -> bytes:
        async with asyncio.timeout(HANG_SECONDS):
            return await self.reader.readuntil(text)

    async def answer(self) -> tuple[int, Any]:
        """Return status and body (JSON, if it is) of one answer."""
        parsed = parse_head(await self.until(b"\r\n\r\n"))
        assert parsed
        head, _ = parsed
        if head.chunked:
            body = b""
            while size := int(await self.until(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        elif "content-length" in head.headers:
            body = await self.reader.readexactly(int(head.headers["content-length"]))
        else:
            body = await self.reader.read()
        return head.status, json.loads(body) if body.startswith(b"{") else body

    async def stream(self, path: str = "/stream") -> None:
        """Open a stream and read its beginning."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        await self.until(b"welcome\n\n")

    async def upgrade(self, path: str = "/") -> None:
        """Become a WebSocket."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n")
        assert (await self.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")

    async def close_code(self) -> int:
        """Return the code of the close frame that comes next."""
        async with asyncio.timeout(HANG_SECONDS):
            first, size = await self.reader.readexactly(2)
            assert first == 0x88, "not a close frame"
            return int.from_bytes((await self.reader.readexactly(size))[:2], "big")

    async def rest(self) -> bytes:
        """Return what comes until the other side closes the connection."""
        rest = b""
        async with asyncio.timeout(HANG_SECONDS):
            with contextlib.suppress(ConnectionError):
                while data := await self.reader.read(65_536):
                    rest += data
        return rest

    async def is_cut(self) -> None:
        """Return when the other side has closed the connection; fail if it goes on talking instead."""
        async with asyncio.timeout(HANG_SECONDS):
            with contextlib.suppress(ConnectionError):
                assert await self.reader.read(1) == b""


@pytest.fixture(scope="module", params=["http", "https"])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How a server is spoken to: what `Running` needs for it. All holds behind TLS, too."""
    if request.param == "http":
        return {}
    return secured(tmp_path_factory.mktemp("https"))


def secured(folder: Path) -> dict[str, Any]:
    key, own = certificate(folder)
    return {"trust": ssl.create_default_context(cafile=own), "CERTIFICATE": str(own), "KEY": str(key)}


@pytest.fixture(scope="module")
def server(way: dict[str, Any]) -> Iterator[Running]:
    running = Running(**way)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def hasty_server(way: dict[str, Any]) -> Iterator[Running]:
    running = Running(**way, REQUEST_SECONDS="0.5", IDLE_SECONDS="0.5", STALL_SECONDS="0.5", HEARTBEAT_SECONDS="0.5")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[Running]:
    """A server that takes one connection a second of an address, twenty at once, and keeps three that do nothing."""
    running = Running(CONNECTS="1", IDLE="3")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def proxied_server() -> Iterator[Running]:
    """A server behind one proxy of its own."""
    running = Running(PROXIES="1", CONNECTS="1", IDLE="1")
    yield running
    running.kill()


@pytest.fixture
def start_server() -> Iterator[Callable[[], Running]]:
    """Start servers of one's own."""
    with contextlib.ExitStack() as stack:

        def start() -> Running:
            running = Running()
            stack.callback(running.kill)
            return running

        yield start


@contextlib.asynccontextmanager
async def websocket(server: Running, path: str = "/") -> AsyncIterator[ClientConnection]:
    url = f"{'wss' if server.trust else 'ws'}://127.0.0.1:{server.port}{path}"
    opening = connect(url, compression=None, proxy=None, ssl=server.trust)
    async with asyncio.timeout(HANG_SECONDS), opening as socket:
        yield socket


# L1: the application's failures


async def test_failure_before_the_answer_is_a_500(server: Running) -> None:
    status, _ = await server.request("GET /fail")
    assert status == 500


async def test_failure_after_the_answer_began_ends_that_stream_and_later_ones_are_still_reaped(
    server: Running,
) -> None:
    """L1. Stock: the first one ends Daphne's reaper for good.

    That viewer's stream stays open and dead, and nothing that fails or ends later is ever cleaned up.
    """
    for _ in range(3):
        async with Line.to(server) as line:
            line.send("GET /fail-late HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not (await line.rest()).endswith(b"0\r\n\r\n"), "it looks like a stream that ended well"
    async with Line.to(server) as other:
        await other.stream()
        assert (await server.state())["streams"] == 1
    await eventually(server.is_empty, "all that ended to be forgotten")


async def test_failure_of_a_websocket_closes_it_with_1011(server: Running) -> None:
    async with websocket(server, "/fail") as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert socket.close_code == 1011
    await eventually(server.is_empty, "the WebSocket to be forgotten")


# L2, L3: the end of the process


async def test_stop_says_goodbye_to_every_stream_despite_half_requests_and_fresh_handshakes(
    start_server: Callable[[], Running],
) -> None:
    """L2, L3. Stock: one connection without an application ends the clean-up with a KeyError. A request that is sent by
    half is one, and a WebSocket handshake of the last second. Then nothing more is closed. Without such a connection,
    WebSockets still get no close frame (1006), and their applications no disconnect.
    """
    server = start_server()
    async with contextlib.AsyncExitStack() as stack:
        half = await stack.enter_async_context(Line.to(server))
        half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
        fresh = await stack.enter_async_context(Line.to(server))
        fresh.send(f"GET /hesitate HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n")
        streams = [await stack.enter_async_context(Line.to(server)) for _ in range(3)]
        for stream in streams:
            await stream.stream()
        sockets = [await stack.enter_async_context(websocket(server)) for _ in range(3)]

        async def everybody_is_there() -> bool:
            state = await server.state()
            return bool(state["streams"] == 6 and state["running"] == 7)

        await eventually(everybody_is_there, "six streams and a handshake")
        stopping = asyncio.create_task(asyncio.to_thread(server.terminate))
        for stream in streams:
            assert b"event: drain" in await stream.until(b"\r\n0\r\n\r\n")
        for socket in sockets:
            assert json.loads(await socket.recv())["event"] == "drain"
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1012
        code, output, log = await stopping

    assert code == 0
    assert output.splitlines()[-1] == "ended 0", "an application was left running"
    assert "Traceback" not in log


# L5: readers that do not read, and writers that do not stop


async def test_flood_of_frames_waits_in_the_senders_kernel_while_the_application_is_busy(
    start_server: Callable[[], Running],
) -> None:
    """L5. Stock: 42 MB of frames are swallowed within 0.1 s, into a queue without a bound."""
    server = start_server()
    frame = client_frame(b"x" * 1000)
    payload = frame * 100

    def flood(socket: socket.socket) -> int:
        """Send until the kernel takes no more; return how many whole bytes went."""
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 42 * MEGABYTE:
                sent += socket.send(payload[sent % len(payload) :])
        return sent

    async with Line.to(server) as line:
        await line.upgrade("/busy")
        raw = socket.socket(fileno=os.dup(line.writer.get_extra_info("socket").fileno()))
        raw.setblocking(False)
        sent = 0
        with contextlib.closing(raw):
            # Again and again, until it has stopped reading and both kernels are full.
            while (now := flood(raw)) or not (await server.state())["paused"]:
                sent = sent + now
                assert sent < 42 * MEGABYTE, "everything was swallowed"
        state = await server.state()
        assert state["waiting"] <= INBOUND_MAX_FRAMES + 64 * 1024 // len(frame) + 1

        await server.request("GET /release")

        async def all_taken() -> bool:
            return bool((await server.state())["taken"] == sent // len(frame))

        await eventually(all_taken, f"the {sent // len(frame)} frames that were sent whole")


# L6: bodies


async def test_endless_body_is_refused_and_costs_no_memory(start_server: Callable[[], Running]) -> None:
    """L6. Stock: 60 MB are read whole, into memory, before Django says 400."""
    server = start_server()
    await server.request("POST /", b"x" * BODY_MAX_BYTES)
    before = server.rss_max_kib()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    async with Line.to(server) as line:
        line.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(60 * MEGABYTE // 0x10000):
                line.send(chunk)
                await line.writer.drain()
        status, answer = await line.answer()

    assert (status, answer["code"]) == (413, "too_large")
    assert server.rss_max_kib() - before < 4 * 1024
    assert (await server.state())["running"] == 0, "an application has seen it"


@pytest.mark.parametrize("length", [BODY_MAX_BYTES + 1, 10_000_000_000, 10**30])
async def test_body_that_says_it_is_too_long_is_refused_before_it_comes(server: Running, length: int) -> None:
    async with Line.to(server) as line:
        line.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
        status, answer = await line.answer()
        assert (status, answer["code"]) == (413, "too_large")
        await line.is_cut()


async def test_body_of_the_greatest_size_passes(server: Running) -> None:
    status, answer = await server.request("POST /", b"x" * BODY_MAX_BYTES)
    assert (status, answer["body_bytes"]) == (200, BODY_MAX_BYTES)


# Heads that cannot be read

PADDING = "X-Padding: " + "x" * 8_000 + "\r\n"


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("GET / HTTP/1.1\r\n" + PADDING * 3, 431, "headers_too_large"),
        ("GET / HTTP/1.1\r\nCookie: " + "x" * 20_000 + "\r\n", 431, "headers_too_large"),
        ("GET / HTTP/1.1\r\nCookie: " + "x" * 100_000, 431, "headers_too_large"),
        ("GET / HTTP/1.1\r\n" + "A: b\r\n" * 501, 431, "headers_too_large"),
        ("GET /" + "x" * 20_000 + " HTTP/1.1\r\n", 414, "uri_too_long"),
        ("GET /" + "x" * 100_000, 414, "uri_too_long"),
        ("GET / HTTP/1.1\r\nno colon\r\n", 400, "bad_request"),
        ("GET / HTTP/1.1\r\nA: b\0\r\n", 400, "bad_request"),
        ("GET / HTTP/1.1\r\nA: \x01\r\n", 400, "bad_request"),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n", 400, "bad_request"),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400, "bad_request"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"),
        ("hello\r\n", 400, "bad_request"),
        ("\x16\x03\x01\x02\x00\x01", 400, "bad_request"),  # HTTPS, which ends no line
    ],
)
async def test_head_that_cannot_be_read_is_answered_in_words(
    server: Running, head: str, status: int, code: str
) -> None:
    """Headers over 16 KB closed the connection without a word, other faults were a bare status line. What comes after
    such a head on the same connection is no request.
    """
    async with Line.to(server) as line:
        line.send(head, "\r\n", "GET /release HTTP/1.1\r\nHost: x\r\n\r\n")
        found, answer = await line.answer()
        assert (found, answer["code"]) == (status, code)
        assert await line.rest() == b""


async def test_any_letter_may_stand_in_a_header(server: Running) -> None:
    """A byte 0x85, which is inside UTF-8 of Å, م and 全, was 400."""
    value = bytes(range(0x80, 0x100)) + b"\t \xc3\x85"
    async with Line.to(server) as line:
        line.send("GET / HTTP/1.1\r\nHost: x\r\nCookie: city=", value, "\r\n\r\n")
        assert (await line.answer())[0] == 200
    async with Line.to(server) as line:
        line.send(f"GET / HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}Cookie: city=", value, "\r\n\r\n")
        assert (await line.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("status", [418, 421, 422, 425, 426, 428, 429, 431, 451, 503, 511])
async def test_every_status_has_its_name(server: Running, status: int) -> None:
    """`HTTP/1.1 429 Unknown Status`."""
    async with Line.to(server) as line:
        line.send(f"GET /status?{status} HTTP/1.1\r\nHost: x\r\n\r\n")
        first = await line.until(b"\r\n")
        assert first == f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


# L10: viewers that are gone


async def test_viewer_who_leaves_is_noticed_at_once(server: Running) -> None:
    """L10. Stock, with the loop of the Channels documentation: after 10.4 s, when the application is killed."""
    async with Line.to(server) as line, websocket(server):
        await line.stream()
        assert (await server.state())["streams"] == 2
    await eventually(server.is_empty, "both to be gone")


async def test_viewer_who_vanishes_without_a_word_is_given_up_by_the_kernel(server: Running) -> None:
    """L10. Stock: some 15 minutes later, when TCP gives up.

    The kernel's part (nothing acknowledged for that long after a heartbeat) is not for a test without a second host.
    """
    async with Line.to(server) as line, websocket(server):
        await line.stream()
        assert (await server.state())["user_timeouts_ms"] == [USER_TIMEOUT_MS] * 2


async def test_viewer_who_left_during_the_handshake_has_no_stream_to_open(start_server: Callable[[], Running]) -> None:
    """The application asked for the socket of a connection that was gone, and failed with an AttributeError."""
    server = start_server()
    for path, head in (("/hesitate-then-stream", ""), ("/hesitate-then-stream", HANDSHAKE)):
        async with Line.to(server) as line:
            line.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n")

            async def waits() -> bool:
                return bool((await server.state())["running"] == 1)

            await eventually(waits, "the application to wait")
        await server.request("GET /release")
        await eventually(server.is_empty, "it to be gone")
    _, _, log = server.terminate()
    assert "PeerGone" in log
    assert "AttributeError" not in log


# Readers that do not read


def deaf(server: Running, *requests: str, receive_bytes: int = 4_096) -> socket.socket:
    """Ask, and read no answer."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.connect(("127.0.0.1", server.port))
    if server.trust is not None:
        made = server.trust.wrap_socket(made, server_hostname="127.0.0.1")
    made.sendall("".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n" for target in requests).encode())
    return made


async def test_readers_who_take_nothing_cost_no_more_than_the_bound(server: Running) -> None:
    """20 readers of a page of 30 MB were 600 MB in Twisted's buffers, and 100 requests in one write 100 answers."""
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(deaf(server, f"/page?{30 * MEGABYTE}"))
            stack.enter_context(deaf(server, *["/page?100000"] * 100))

        async def all_are_answered() -> bool:
            return bool((await server.state())["running"] >= 10)

        async def waits() -> bool:
            return bool((await server.state())["pending"])

        await eventually(all_are_answered, "the pages to be made")
        await eventually(waits, "something to wait for them")
        assert (await server.state())["pending"] <= WAITING_MAX_BYTES
    await eventually(server.is_empty, "the readers to be forgotten")


@pytest.mark.parametrize("target", [f"/page?{2 * MEGABYTE}", "/file?0", "/huge-file"])
async def test_reader_who_takes_nothing_of_an_answer_is_cut(hasty_server: Running, target: str) -> None:
    """It could stay for ever, with all that it had asked for."""
    count = 60 if target == "/file?0" else 1  # more than the kernels hold
    with deaf(hasty_server, *[target] * count) as peer:
        await eventually(hasty_server.is_empty, "the reader to be cut")
        peer.setblocking(False)
        with contextlib.suppress(ConnectionResetError):
            # Behind TLS a reset in the middle of a record is an end.
            while peer.recv(1 << 20):
                pass


async def test_reader_who_takes_a_little_from_time_to_time_reads_it_all(hasty_server: Running) -> None:
    size = 2 * MEGABYTE
    with deaf(hasty_server, f"/page?{size}", receive_bytes=65_536) as peer:
        peer.settimeout(HANG_SECONDS)
        got = 0
        while got < size:
            got += len(await asyncio.to_thread(peer.recv, 64 * 1024))
            await asyncio.sleep(0.02)  # so that it takes longer than a stall may


async def test_the_kernel_sends_a_file_or_a_part_of_it(server: Running) -> None:
    whole = Path(__file__).with_name("server_under_test.py").read_bytes()
    async with Line.to(server) as line:
        for target, part in (("/file?0", whole), ("/file?100", whole[100:]), ("/file?10+20", whole[10:30])):
            line.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await line.answer() == (200, part), "on one connection after the other"


async def test_a_file_for_everybody_is_sent_again_without_the_application(server: Running) -> None:
    """As long as the application said, and only to those who ask for no more than that."""
    async with Line.to(server) as line, Line.to(server) as other:

        async def ask(line: Line, target: str = "/segment?60", header: str = "Host: x") -> Any:
            line.send(f"GET {target} HTTP/1.1\r\n{header}\r\n\r\n")
            return (await line.answer())[1]

        first = await ask(line)
        assert [await ask(line), await ask(other), await ask(line)] == [first] * 3
        for header in (
            "Host: y",
            "Host: x\r\nOrigin: http://x",
            "Host: x\r\nIf-None-Match: *",
            "Host: x\r\nRange: bytes=0-",
        ):
            assert await ask(line, header=header) != first
        assert await ask(other, "/segment?0") != await ask(other, "/segment?0")
        again = await ask(line)
        assert await ask(other) == again != first
        await ask(line, header="Host: x\r\nX-Gone: yes\r\nRange: bytes=0-")
        assert await ask(other) != again
    async with Line.to(server) as last:
        assert await ask(last, header="Host: x\r\nConnection: close") != again
        assert await last.rest() == b""


async def test_a_compressed_file_is_sent_again_to_those_who_take_it_so(server: Running) -> None:
    """Browsers differ in what they take: none may get the form of another, nor put it out."""
    async with Line.to(server) as line:

        async def ask(encoding: str, target: str = "/segment?60+varies") -> Any:
            line.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\n\r\n")
            return (await line.answer())[1]

        forms = {encoding: await ask(encoding) for encoding in ("gzip", "gzip, br", "")}
        assert len({*forms.values()}) == 3
        assert {encoding: await ask(encoding) for encoding in forms} == forms
        plain = await ask("gzip", "/segment?60")
        assert await ask("br", "/segment?60") == plain, "what does not vary is for all"
        for number in range(4):
            await ask(f"x{number}")
        assert await ask("gzip") != forms["gzip"], "a few forms of an address are kept"


# One address


async def test_what_is_exempt_does_not_count_as_connects_of_its_address(guarded_server: Running) -> None:
    """A load test comes from one address, with a ticket that says so."""
    for _ in range(40):
        assert await guarded_server.request("GET /exempt") == (200, {})


async def test_of_too_many_idle_connections_of_an_address_the_oldest_are_closed(guarded_server: Running) -> None:
    """2,000 of one address stayed. Those that come are let in: a school has one address for all."""
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Line.to(guarded_server)) for _ in range(6)]
        for line in lines[:3]:
            await line.is_cut()
        for line in lines[3:]:
            line.send("GET /exempt HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await line.answer() == (200, {})


async def test_connects_of_one_address_have_a_rate(guarded_server: Running) -> None:
    """254 a second passed."""
    for _ in range(60):
        async with Line.to(guarded_server) as line:
            line.send("GET /page?1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if not await line.rest():
                return
    pytest.fail("there is no limit")


async def test_a_proxy_of_our_own_connects_as_often_as_it_likes(proxied_server: Running) -> None:
    for _ in range(40):
        assert (await proxied_server.request("GET /page?1"))[0] == 200


# L11: slow requests


@pytest.mark.parametrize(
    "beginning",
    [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_request_that_takes_too_long_to_arrive_is_dropped(hasty_server: Running, beginning: str) -> None:
    """L11. Stock: the idle time of 60 s starts again with each byte; a byte a minute holds a connection for days."""
    async with Line.to(hasty_server) as line:
        line.send(beginning)
        await trickle_until_cut(line)


async def test_next_request_on_a_connection_that_never_begins_is_dropped(hasty_server: Running) -> None:
    """L11, on a connection that has seen a good request: it could trickle its next line for days."""
    async with Line.to(hasty_server) as line:
        line.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await line.answer()
        await trickle_until_cut(line)


async def trickle_until_cut(line: Line) -> None:
    cut = asyncio.create_task(line.is_cut())
    while not cut.done():
        line.send("x" if not line.writer.is_closing() else "")
        await asyncio.wait([cut], timeout=0.1)
    await cut


async def test_peer_that_answers_no_ping_is_cut_also_where_the_application_keeps_the_websocket(
    hasty_server: Running,
) -> None:
    """Only the node pinged, its own connections: one of another application that had vanished stayed for ever."""
    async with Line.to(hasty_server) as line:
        await line.upgrade("/echo")
        line.send(client_frame(b"hello"))
        assert (await line.rest()).endswith(websocket_frame(b"hello") + websocket_frame(b"", opcode=PING))
    await eventually(hasty_server.is_empty, "the WebSocket to be forgotten")


async def test_deadlines_of_requests_do_not_end_streams(hasty_server: Running) -> None:
    """L11. Stock: the only deadline there is, `--http-timeout`, counts a stream as a request."""
    at = hasty_server
    async with Line.to(at) as stream, websocket(at) as socket, Line.to(at) as slow:
        await stream.stream()
        await slow.is_cut()
        async with Line.to(at) as slower:
            await slower.is_cut()
        assert (await hasty_server.state())["streams"] == 2
        await socket.send("still here")


async def test_second_request_on_a_connection_is_answered(hasty_server: Running) -> None:
    async with Line.to(hasty_server) as line:
        for _ in range(3):
            line.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await line.answer())[0] == 200
        line.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        assert [(await line.answer())[0] for _ in range(20)] == [200] * 20


# Nodes that share a listening socket


async def test_crowded_node_lets_others_accept_first_and_still_takes_who_waits() -> None:
    """Nodes on one socket filled up unevenly: one refused viewers while others had room."""
    server = Running(CROWDED_AT="1")
    try:
        async with Line.to(server) as first:
            await first.stream()
            rests = (await server.state())["rests"]
            async with Line.to(server) as second:
                await second.stream()
            assert (await server.state())["rests"] > rests
    finally:
        server.kill()


# L12: broken WebSockets

UNMASKED = b"\x81\x01x"
RESERVED_BIT = bytes((0x81 | 0x40,)) + client_frame(b"x")[1:]
RESERVED_OPCODE = bytes((0x83,)) + client_frame(b"x")[1:]
BAD_UTF8 = client_frame(b"\xff\xfe")
TOO_LONG = client_frame(b"x" * (MESSAGE_MAX_BYTES + 1))
LONG_PING = client_frame(b"x" * 126, opcode=9)
HALF_CONTROL = bytes((0x09,)) + client_frame(b"x", opcode=9)[1:]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (UNMASKED, 1002),
        (RESERVED_BIT, 1002),
        (RESERVED_OPCODE, 1002),
        (LONG_PING, 1002),
        (HALF_CONTROL, 1002),
        (BAD_UTF8, 1007),
        (TOO_LONG, 1009),
    ],
    ids=["unmasked", "reserved bit", "reserved opcode", "long ping", "half control frame", "bad UTF-8", "too long"],
)
async def test_broken_frame_is_answered_with_its_close_code(server: Running, frame: bytes, code: int) -> None:
    """L12. Stock: the connection is dropped without a word, so clients come back and do it again."""
    async with Line.to(server) as line:
        await line.upgrade()
        line.send(frame)
        assert await line.close_code() == code


async def test_handshake_that_names_other_protocols_too_is_ours(server: Running) -> None:
    """It went around our handshake, to Autobahn's."""
    for upgrade in ("Upgrade: h2c\r\n", "Upgrade: WebSocket\r\n"):
        async with Line.to(server) as line:
            line.send(f"GET / HTTP/1.1\r\nHost: x\r\n{upgrade}{HANDSHAKE}\r\n")
            head = await line.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101")
            assert b"daphne" not in head.lower()
    async with Line.to(server) as line:
        line.send(f"GET / HTTP/1.0\r\nHost: x\r\n{HANDSHAKE}\r\n")
        assert (await line.until(b"\r\n")).split()[1] == b"400"


async def test_refused_handshake_is_a_403(server: Running) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with websocket(server, "/reject"):
            pass
    assert refused.value.response.status_code == 403


# L14: headers that a client could forge


async def test_client_cannot_choose_the_root_path(server: Running) -> None:
    """L14. Stock: `Daphne-Root-Path: /evil` makes `reverse()` return /evil/…"""
    async with Line.to(server) as line:
        line.send("GET / HTTP/1.1\r\nHost: x\r\nDaphne-Root-Path: /evil\r\n\r\n")
        assert (await line.answer())[1]["root_path"] == ""


FORWARDED = "X-Forwarded-For: 203.0.113.7, 198.51.100.9\r\nX-Forwarded-Proto: https\r\n"


async def test_client_cannot_choose_its_address(server: Running) -> None:
    async with Line.to(server) as line:
        line.send(f"GET / HTTP/1.1\r\nHost: x\r\n{FORWARDED}\r\n")
        _, seen = await line.answer()
    assert (seen["client"][0], seen["scheme"]) == ("127.0.0.1", "https" if server.trust else "http")


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (FORWARDED, "198.51.100.9"),
        ("X-Forwarded-For: not an ip <script>\r\n", "127.0.0.1"),
        ("X-Forwarded-For: \xff\xfe\r\n", "127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
        ("", "127.0.0.1"),
    ],
    ids=["two", "no address", "no text", "two headers", "none"],
)
async def test_behind_one_proxy_the_last_address_counts(proxied_server: Running, headers: str, address: str) -> None:
    """L14. Stock, with `--proxy-headers`: the first one, which the client wrote; what is no address passes too."""
    async with Line.to(proxied_server) as line:
        line.send("GET / HTTP/1.1\r\nHost: x\r\n", headers.encode("latin1"), "\r\n")
        _, seen = await line.answer()
    assert seen["client"][0] == address
