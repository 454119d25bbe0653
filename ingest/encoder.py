"""One ffmpeg: FLV comes in, fragments of CMAF go out. What players can play is copied, all else is encoded again.

Smaller renditions go out beside it, each with the keyframes of the picture that they are made from: a player changes
between them there.

Made by a broadcast (ingest.broadcast) for each encoder that sends. Sources: the options' names and meaning, ffmpeg's
own documentation (mp4 muxer: frag_keyframe, empty_moov, default_base_moof, cmaf, frag_duration; force_key_frames).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

logger = logging.getLogger(__name__)

FRAGMENT_SECONDS = 0.2
READ_BYTES = 65_536
LOOK_SECONDS, LOOK_BYTES = 0.2, 32_768
"""How much ffmpeg reads before it begins, to know what it has. (With `-fflags nobuffer` it would throw that away.)"""
STOP_SECONDS = 3.0
COPY = {
    "avc1": ("-c:v", "copy"),
    "hvc1": ("-c:v", "copy", "-tag:v", "hvc1"),  # else it is hev1, which Apple's players do not take
    "av01": ("-c:v", "copy"),
}
FRAGMENTS = (
    "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+cmaf",
    "-frag_duration", str(int(FRAGMENT_SECONDS * 1e6)), "-flush_packets", "1",
)  # fmt: skip
COPIED_AUDIO = frozenset({"mp4a", "Opus", ""})
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p")
EACH_2_SECONDS = "expr:gte(t,n_forced*2)"
AGAIN_VIDEO = (*X264, "-g", "60", "-force_key_frames", EACH_2_SECONDS)
LONGEST_GOP = 3600
"""In frames: of a rendition, whose keyframes are its source's."""
BITS_PER_LINE_SQUARED = 4.8
"""Of a rendition: 2.5 Mbit/s for 720 lines, 1.1 for 480."""
AGAIN_AUDIO = ("-c:a", "aac", "-b:a", "128k", "-ac", "2")


class FfmpegProcess:
    """A running ffmpeg: what `_process` and `_reading`, which ends with it, have in common."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[Any] | None = None

    async def write(self, data: bytes) -> None:
        """Hand over what it reads. Waits while ffmpeg does not read. What comes after its end is dropped."""
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    async def aclose(self) -> None:
        """End it with what it has; return when all that it made has been read. A cancel ends it at once."""
        if self._process is None or self._reading is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        elif self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.shield(self._reading)
        except (TimeoutError, asyncio.CancelledError) as reason:
            if self._process.returncode is None:
                self._process.kill()
            await asyncio.shield(self._reading)
            if isinstance(reason, asyncio.CancelledError):
                raise


class EncoderProcess(FfmpegProcess):
    """The ffmpeg of a picture that is sent.

    `take` gets what it makes, in any cut: with 0 the picture as it came, then the smaller ones. `over` is called at its
    end, with its last words.
    """

    def __init__(self, take: Callable[[int, bytes], None], over: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take
        self._over = over
        self._words: list[str] = []

    async def start(self, *, video: str, audio: str, heights: Sequence[int] = ()) -> None:
        """Start it for these codecs, by their four letters; "": there is none. `heights`: of the smaller renditions.

        Raises OSError.
        """
        pipes = [os.pipe() for _ in heights]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command(
                    video=video, audio=audio, smaller=[(h, out) for h, (_, out) in zip(heights, pipes, strict=True)]
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=READ_BYTES,
                pass_fds=[out for _, out in pipes],
            )
        except BaseException:
            for made, _ in pipes:
                os.close(made)
            raise
        finally:
            for _, out in pipes:
                os.close(out)
        assert self._process.stdout is not None
        streams = [self._process.stdout, *[await _stream(made) for made, _ in pipes]]
        self._reading = asyncio.create_task(self._read(self._process, streams), name="read ffmpeg")

    async def _read(self, process: asyncio.subprocess.Process, streams: Sequence[asyncio.StreamReader]) -> None:
        words = asyncio.create_task(self._read_words(process), name="read ffmpeg's log")
        await asyncio.gather(*(self._read_stream(index, stream) for index, stream in enumerate(streams)))
        await words
        code = await process.wait()
        self._over(self._words[-1] if code and self._words else "")

    async def _read_stream(self, index: int, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(READ_BYTES):
            self._take(index, data)

    async def _read_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError):  # a line longer than the limit
            async for line in process.stderr:
                self._words = [*self._words[-4:], line.decode(errors="replace").strip()]
                logger.debug("ffmpeg: %s", self._words[-1])


async def _stream(made: int) -> asyncio.StreamReader:
    """Return what comes out of a pipe. It is closed at its end."""
    stream = asyncio.StreamReader(limit=READ_BYTES)
    reading = asyncio.StreamReaderProtocol(stream)
    await asyncio.get_running_loop().connect_read_pipe(lambda: reading, os.fdopen(made, "rb", buffering=0))
    return stream


def command(*, video: str, audio: str, smaller: Sequence[tuple[int, int]] = ()) -> list[str]:
    """Return the command for these codecs. There is always a picture or a sound. `smaller`: heights, and where to."""
    picture = ("-map", "0:v:0", *(COPY.get(video, AGAIN_VIDEO))) if video else ()
    sound = ("-map", "0:a:0", *(("-c:a", "copy") if audio in COPIED_AUDIO else AGAIN_AUDIO)) if audio else ()
    return [
        *(ffmpeg(), "-hide_banner", "-loglevel", "error"),
        *("-probesize", str(LOOK_BYTES), "-analyzeduration", str(int(LOOK_SECONDS * 1e6))),
        *("-f", "flv", "-i", "pipe:0", *picture, *sound, *FRAGMENTS, "pipe:1"),
        *(word for height, out in smaller for word in (*_smaller(height, video), *sound, *FRAGMENTS, f"pipe:{out}")),
    ]


def _smaller(height: int, video: str) -> tuple[str, ...]:
    """Return the options of a smaller picture. Its keyframes are those that players get of the large one."""
    keyframes = "source" if video in COPY else EACH_2_SECONDS
    rate = str(int(BITS_PER_LINE_SQUARED * height**2))
    return (
        *("-map", "0:v:0", "-vf", f"scale=-2:{height}", *X264, "-force_key_frames", keyframes),
        *("-g", str(LONGEST_GOP), "-sc_threshold", "0", "-b:v", rate, "-maxrate", rate, "-bufsize", rate),
    )


@cache
def ffmpeg() -> str:
    """Return where ffmpeg is. Raises RuntimeError."""
    # Its import looks the binary up and runs it once.
    from imageio_ffmpeg import get_ffmpeg_exe

    path: str = get_ffmpeg_exe()
    return path
