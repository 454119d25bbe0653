"""An encoder by hand: a film that ffmpeg has made once, sent as RTMP faster than it was filmed, and changed at will."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import ingest.encoder
from tests.ingest.rtmp.client import message, opening
from tests.ingest.rtmp.encoders import AAC, H264, PICTURE, SOUND, ffmpeg
from tests.kit import HANG_SECONDS, until

Tag = tuple[int, int, bytes]
"""Kind, milliseconds, payload."""
SECONDS = ("-t", "6", "-tune", "zerolatency")


def tags(flv: bytes) -> list[Tag]:
    found, at = [], 13
    while at < len(flv):
        size = int.from_bytes(flv[at + 1 : at + 4], "big")
        time = int.from_bytes(flv[at + 4 : at + 7], "big") | flv[at + 7] << 24
        found.append((flv[at], time, flv[at + 11 : at + 11 + size]))
        at += 11 + size + 4
    return found


async def filmed(*options: str) -> list[Tag]:
    done = await ffmpeg(*options, "-f", "flv", "-")
    assert (done.code, done.errors) == (0, "")
    return tags(done.output)


async def make_film() -> list[Tag]:
    """Six seconds of picture and sound, with a keyframe each second."""
    return await filmed(*PICTURE, *SOUND, *SECONDS, *H264, *AAC)


@contextlib.contextmanager
def encoders() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Give what starts an ffmpeg with its arguments. Those that still run are killed at the end."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            command = [ingest.encoder.ffmpeg(), "-nostdin", "-loglevel", "error", *arguments]
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(started.wait)
            stack.callback(started.kill)
            return started

        yield start


def endless(film: list[Tag], is_enough: Callable[[], bool]) -> Iterator[Tag]:
    """The film again and again: its times jump back, which is no matter."""
    while not is_enough():
        yield from film


@contextlib.asynccontextmanager
async def sending(
    port: int, stream: Iterable[Tag], *, key: str, is_taken: Callable[[], bool], pause_seconds: float = 0.0
) -> AsyncIterator[asyncio.StreamReader]:
    """Have sent it once it is taken. The encoder leaves after the block, when the server has taken all of it."""
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(opening(key))
            await until(is_taken)
            with contextlib.suppress(ConnectionError):
                for kind, time, payload in stream:
                    writer.write(message(kind, payload, time=time))
                    await writer.drain()
                    await asyncio.sleep(pause_seconds)
            yield reader
            with contextlib.suppress(OSError):
                writer.write_eof()
                await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
