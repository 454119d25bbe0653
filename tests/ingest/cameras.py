"""A camera that is asked for its picture by RTSP: what ffmpeg films, in the connection of who asks.

Source: RFC 2326, 10 (methods), 10.12 (data in the connection); RFC 4566 (SDP).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

from ingest.encoder import ffmpeg
from tests.ingest.test_ingest import SOURCES
from tests.kit import until
from tests.sites import free_port

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-threads", "1")
FILM = (*SOURCES[:5], *H264, "-flags", "+global_header", "-an")


class Camera:
    """What it shows is described in `sdp`; its packets come to `port`, by UDP."""

    def __init__(self, sdp: Path, port: int) -> None:
        self.watching: set[asyncio.Task[None]] = set()
        self._sdp = sdp
        self._port = port

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.watching.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).decode()
                writer.write(self._answer(asked).encode())
                if asked.startswith("PLAY"):
                    await self._play(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, asked: str) -> str:
        method, _, rest = asked.partition(" ")
        lines = dict(line.split(": ", 1) for line in rest.split("\r\n") if ": " in line)
        head = f"RTSP/1.0 200 OK\r\nCSeq: {lines['CSeq']}\r\n"
        if method == "DESCRIBE":
            sdp = self._sdp.read_text().replace("\r\n", "\n").replace("\n", "\r\n") + "a=control:track\r\n"
            return f"{head}Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
        if method == "SETUP":
            return f"{head}Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        return f"{head}Session: 1\r\n\r\n"

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.setblocking(False)
            packets.bind(("127.0.0.1", self._port))
            while True:
                packet = await loop.sock_recv(packets, 2048)
                writer.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                await writer.drain()


@contextlib.asynccontextmanager
async def filming(folder: Path, port: int) -> AsyncIterator[None]:
    """Have a camera on the port until the block ends."""
    sdp, packets = folder / "camera.sdp", free_port()
    film = await asyncio.create_subprocess_exec(
        *(ffmpeg(), "-nostdin", "-loglevel", "error", *FILM, "-f", "rtp", "-sdp_file", str(sdp)),
        f"rtp://127.0.0.1:{packets}?pkt_size=1200",
    )
    camera = Camera(sdp, packets)
    server = await asyncio.start_server(camera.begin, "127.0.0.1", port)
    try:
        await until(lambda: sdp.exists() and "fmtp" in sdp.read_text())
        yield
    finally:
        server.close()
        for task in camera.watching:
            task.cancel()
        await asyncio.gather(*camera.watching, return_exceptions=True)
        film.kill()
        await film.wait()
        sdp.unlink(missing_ok=True)
