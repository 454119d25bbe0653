"""The one way on which ffmpeg fetches a picture from elsewhere: which addresses it may connect to is decided here.

Made by the puller (ingest.puller). ffmpeg follows redirects, and a playlist names whatever hosts it likes. So ffmpeg
connects to a door of ours on loopback alone: a proxy of HTTP, or one host's RTSP. Behind the door a name is resolved
once, its address is checked, and that address is connected to.
Sources: RFC 9110, 9.3.6 (CONNECT); RFC 9112, 3.2.2 (absolute form); RFC 7826, 13 (redirects of RTSP).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from urllib.parse import SplitResult, urlsplit

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 10.0
SILENT_US = "10000000"
"""So long, in microseconds, ffmpeg waits for a server that says nothing."""
READ_BYTES = 65_536
PRIVATE = "{} is in a private network. Name it in LIVE_PULL_NETWORKS to allow that."
REDIRECTED = "The server sends us to another address. Enter that one."
_REDIRECT = b"\nlocation:"
_PORTS = {"rtsp": 554, "http": 80, "https": 443}
# Parts of a playlist in what browsers play as well; none that fetches by itself.
_FORMATS = "hls,mpegts,mov,aac,mp3"

AddressRange = ipaddress.IPv4Network | ipaddress.IPv6Network
TcpStream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RefusedAddress(OSError):
    """A host that may not be connected to."""


class Door:
    """What ffmpeg reads through it (`inputs`), and why it was not let through, in words, if it was not."""

    def __init__(self, networks: Iterable[AddressRange]) -> None:
        self.inputs: tuple[str, ...] = ()
        self.refusal = ""
        self._networks = tuple(networks)

    async def proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request of HTTP."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, rest = head.split(" ", 2)
        is_tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if is_tunnel else target)
        try:
            to_reader, to_writer = await self._connect(parts)
        except (OSError, ValueError) as error:
            self._refuse(error)
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        if is_tunnel:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = SplitResult("", "", parts.path or "/", parts.query, "").geturl()
            to_writer.write(f"{method} {path} {rest}".encode("latin-1"))
        await _relay((reader, writer), (to_reader, to_writer))

    async def rtsp(self, parts: SplitResult, stream: TcpStream) -> None:
        """Serve one connection of RTSP to the server that is meant."""
        try:
            server = await self._connect(parts)
            await _relay(stream, server, check=self._check_redirect())
        except (OSError, ValueError) as error:
            self._refuse(error)

    def _check_redirect(self) -> Callable[[bytes], None]:
        end = b""

        def check(data: bytes) -> None:
            nonlocal end
            if _REDIRECT in (end + data).lower():
                raise RefusedAddress(REDIRECTED)
            end = data[-len(_REDIRECT) :]

        return check

    def _refuse(self, error: Exception) -> None:
        self.refusal = str(error)
        logger.warning("a pull was refused: %s", error)

    async def _connect(self, parts: SplitResult) -> TcpStream:
        """Raises OSError, ValueError."""
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            address = str(found[0][4][0])
            if not self._may_reach(address):
                raise RefusedAddress(PRIVATE.format(host))
            return await asyncio.open_connection(address, port)

    def _may_reach(self, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address):
            ip = ip.ipv4_mapped or ip.sixtofour or ip
        return (ip.is_global and not ip.is_multicast) or any(ip in network for network in self._networks)


@contextlib.asynccontextmanager
async def opened(source: str, networks: Iterable[AddressRange]) -> AsyncIterator[Door]:
    """Open a door to an address of RTSP or HLS. Only for ffmpeg, and only as long as it runs."""
    door = Door(networks)
    parts = urlsplit(source)
    is_rtsp = parts.scheme == "rtsp"

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await (door.rtsp(parts, (reader, writer)) if is_rtsp else door.proxy(reader, writer))
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(begin, LOOPBACK, 0, limit=READ_BYTES)
    at = f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    door.inputs = _rtsp(parts, at) if is_rtsp else _hls(source, at)
    try:
        yield door
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def _rtsp(parts: SplitResult, at: str) -> tuple[str, ...]:
    user, has_user, _ = parts.netloc.rpartition("@")
    here = parts._replace(netloc=f"{user}{has_user}{at}").geturl()
    limits = ("-protocol_whitelist", "rtp,tcp", "-rtsp_transport", "tcp", "-timeout", SILENT_US)
    return (*limits, "-f", "rtsp", "-i", here)


def _hls(source: str, at: str) -> tuple[str, ...]:
    """Segments come at once; they are read (`-re`) as fast as they play, or viewers saw them in jumps."""
    limits = ("-protocol_whitelist", "http,https,tls,tcp,crypto,httpproxy", "-format_whitelist", _FORMATS)
    way = ("-http_proxy", f"http://{at}", "-http_persistent", "0", "-rw_timeout", SILENT_US)
    return ("-re", *limits, *way, "-f", "hls", "-i", source)


async def _relay(one: TcpStream, other: TcpStream, *, check: Callable[[bytes], None] = lambda data: None) -> None:
    """Pass on what both say until one has no more. `check`: of what the other says."""
    copying = [
        asyncio.create_task(_copy(one[0], other[1], lambda data: None)),
        asyncio.create_task(_copy(other[0], one[1], check)),
    ]
    try:
        done, _ = await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in copying:
            task.cancel()
        other[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, check: Callable[[bytes], None]) -> None:
    while data := await reader.read(READ_BYTES):
        check(data)
        writer.write(data)
        await writer.drain()
