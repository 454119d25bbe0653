"""A running server, and what it passes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from ingest.feeder import key_behind
from ingest.rtmp.publish import Publish, RefusedStream
from ingest.rtmp.server import RtmpLimits, RtmpServer
from tests.kit import HANG_SECONDS, until

WRONG = "This key is not known."


@dataclass
class Recording:
    """A sink that keeps what it gets. While `is_open` is not set, it takes nothing; after `refuse`, it refuses."""

    publish: Publish
    data: bytearray = field(default_factory=bytearray)
    reasons: list[str] = field(default_factory=list)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: str = ""

    async def write(self, data: bytes) -> None:
        await self.is_open.wait()
        if self.refusal:
            raise RefusedStream(self.refusal)
        self.data += data

    async def close(self, reason: str) -> None:
        self.reasons.append(reason)

    async def closed(self) -> str:
        """Wait for the end; return why."""
        await until(lambda: bool(self.reasons))
        [reason] = self.reasons
        return reason


@dataclass
class Place:
    """A server that takes every key but `wrong`, and the streams that it took."""

    port: int
    server: RtmpServer
    streams: dict[str, Recording]

    async def stream(self, key: str) -> Recording:
        """Wait until it is there."""
        await until(lambda: key in self.streams)
        return self.streams[key]

    @contextlib.asynccontextmanager
    async def talk(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Have a connection that knows no RTMP."""
        async with asyncio.timeout(HANG_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                yield reader, writer
            finally:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


@contextlib.asynccontextmanager
async def running(*, are_open: bool = True, limits: RtmpLimits | None = None) -> AsyncIterator[Place]:
    """Run a server until the block ends. Unless `are_open`, what it takes waits for the sinks."""
    streams: dict[str, Recording] = {}

    async def admit(publish: Publish) -> Recording:
        publish = replace(publish, key=key_behind(publish.key))
        if publish.key == "wrong":
            raise RefusedStream(WRONG)
        found = streams[publish.key] = Recording(publish)
        if are_open:
            found.is_open.set()
        return found

    server = RtmpServer(admit, network_of=lambda address: address, limits=limits)
    try:
        yield Place(await server.start("127.0.0.1", 0), server, streams)
    finally:
        await server.aclose()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running() as found:
        yield found
