"""ffmpeg as an encoder, and as the reader of what came through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import imageio_ffmpeg
import pytest

from tests.kit import HANG_SECONDS

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-threads", "1")
AAC = ("-c:a", "aac", "-b:a", "32k")
_QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error")
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=160x120:r=10")
SOUND = ("-f", "lavfi", "-i", "sine=r=44100")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    output: bytes
    errors: str


async def ffmpeg(*options: str, data: bytes | None = None) -> Ended:
    """Run it to its end."""
    async with running_ffmpeg(*options, has_input=data is not None) as process:
        output, errors = await process.communicate(data)
        assert process.returncode is not None
        return Ended(process.returncode, output, errors.decode())


@contextlib.asynccontextmanager
async def running_ffmpeg(*options: str, has_input: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        *_QUIET,
        *options,
        stdin=asyncio.subprocess.PIPE if has_input else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(HANG_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def frames(flv: bytes) -> list[str]:
    """Decode; return a line with track, times and checksum for each frame. What ffmpeg finds wrong fails the test."""
    done = await ffmpeg("-f", "flv", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "framecrc", "-", data=flv)
    assert (done.errors, done.code) == ("", 0)
    return [line for line in done.output.decode().splitlines() if not line.startswith("#")]


async def has_encoder(name: str) -> None:
    """Skip the test if this ffmpeg cannot write the codec."""
    done = await ffmpeg("-encoders")
    if name not in done.output.decode():
        pytest.skip(f"this ffmpeg has no {name}")
