"""The one way out of an ffmpeg that fetches a picture: which addresses it gets to."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ingest.gate import REDIRECTED, opened
from tests.kit import HANG_SECONDS

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def answered(inputs: tuple[str, ...], request: str) -> str:
    """What comes back through a door of HTTP."""
    proxy = inputs[inputs.index("-http_proxy") + 1].removeprefix("http://")
    host, _, port = proxy.partition(":")
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode())
        said = await reader.read()
        writer.close()
    return said.decode()


async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A web server that says what it was asked for."""
    asked = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + asked)
    await writer.drain()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3", "169.254.169.254", "[::ffff:10.0.0.1]", "2130706433"],
)
@pytest.mark.parametrize("request_of", ["GET http://{}:80/ HTTP/1.1\r\n\r\n", "CONNECT {}:443 HTTP/1.1\r\n\r\n"])
async def test_nothing_private_is_reached(host: str, request_of: str) -> None:
    """A playlist, or a redirect, may name any of these."""
    async with opened("https://cdn.example.org/live.m3u8", []) as door:
        assert "403 Forbidden" in await answered(door.inputs, request_of.format(host))
        assert "private network" in door.refusal


async def test_a_network_that_is_named_is_reached() -> None:
    async with listening(tell) as port, opened(f"http://127.0.0.1:{port}/live.m3u8", LOOPBACK) as door:
        said = await answered(door.inputs, f"GET http://127.0.0.1:{port}/live.m3u8?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert said.endswith("GET /live.m3u8?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
        tunnel = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        assert (await answered(door.inputs, tunnel)).endswith("GET / HTTP/1.1\r\n\r\n")
        assert door.refusal == ""


@pytest.mark.parametrize("junk", ["\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "x" * 100_000])
async def test_what_is_no_request_gets_nowhere(junk: str) -> None:
    async with opened("https://cdn.example.org/live.m3u8", LOOPBACK) as door:
        with contextlib.suppress(ConnectionError):
            assert "200" not in await answered(door.inputs, junk)


async def test_a_camera_cannot_send_us_elsewhere() -> None:
    """ffmpeg would follow, on a connection of its own."""

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"RTSP/1.0 302 Found\r\nLoca")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"tion: rtsp://10.0.0.1/\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with listening(redirect) as port, opened(f"rtsp://me:secret@127.0.0.1:{port}/cam", LOOPBACK) as door:
        address = door.inputs[-1]
        assert address.startswith("rtsp://me:secret@127.0.0.1:")
        assert address.endswith("/cam")
        there = int(address.rpartition(":")[2].removesuffix("/cam"))
        async with asyncio.timeout(HANG_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", there)
            writer.write(b"OPTIONS * RTSP/1.0\r\n\r\n")
            assert b"tion:" not in await reader.read()
            writer.close()
        assert door.refusal == REDIRECTED


async def test_a_camera_in_a_private_network_is_not_reached() -> None:
    async with listening(tell) as port, opened(f"rtsp://127.0.0.1:{port}/cam", []) as door:
        there = int(door.inputs[-1].rpartition(":")[2].removesuffix("/cam"))
        async with asyncio.timeout(HANG_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", there)
            assert await reader.read() == b""
            writer.close()
        assert "127.0.0.1 is in a private network" in door.refusal
