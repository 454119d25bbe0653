"""One ffmpeg that sends a picture to our own RTMP port, as an encoder would: for what comes in by another way.

Made by what takes pictures from pages, by SRT or from an address. So the key, a second encoder, limits, states and the
recording are the matter of one place, behind RTMP. What RTMP can carry is copied.

Other users of the machine can read command lines, so the key is in none: ffmpeg sends with a name that is good for
once, and what lets it in asks for the key behind it (`key_behind`). Sources: ffmpeg's documentation of the protocol
`rtmp` and the muxer `flv`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Sequence

from ingest.encoder import AGAIN_AUDIO, AGAIN_VIDEO, FfmpegProcess, ffmpeg

logger = logging.getLogger(__name__)

COPIED = ("-c", "copy")
FROM_PIPE = "pipe:0"
_SAID = "Server error: "
_UNFIT = re.compile(r"codec \S+ not compatible with flv|incompatible with output codec id '(?P<id>\d+)'")
_FIRST_SOUND = 0x10000
"""ffmpeg's numbers of codecs (libavcodec/codec_id.h): those below are pictures."""
_LINE_MAX_BYTES = 65_536
_keys: dict[str, str] = {}  # of the ffmpegs that have yet to connect


def key_behind(name: str) -> str:
    """Return the key with which one of our own ffmpegs sends, once. Any other name is a key."""
    return _keys.pop(name, name)


class Feeder(FfmpegProcess):
    """`inputs`: ffmpeg's options of what it reads, `-i` among them. `codecs`: its options of what is copied and what
    is encoded again. `host`, `port`: where our own RTMP server is reached. `app`: the path of its address.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        *,
        key: str,
        port: int,
        host: str = "127.0.0.1",
        codecs: Sequence[str] = COPIED,
        app: str = "live",
    ) -> None:
        super().__init__()
        self._inputs = inputs
        self._codecs = codecs
        self._key = key
        self._name = secrets.token_hex(16)
        self._server = f"rtmp://{host}:{port}/{app}/{self._name}"
        self.was_refused = False
        """Whether our RTMP server has cut it, at its end: the last words are for the broadcaster."""

    async def start(self) -> None:
        """Start it. Raises OSError or RuntimeError when there is no ffmpeg."""
        command = self._command()
        _keys[self._name] = self._key
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if FROM_PIPE in self._inputs else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_MAX_BYTES,
            )
        except OSError:
            key_behind(self._name)
            raise
        self._reading = asyncio.create_task(self._last_words(self._process), name="read ffmpeg's log")

    async def wait(self) -> str:
        """Wait for its end; return its last words: why our RTMP server cut it, or what ffmpeg complains about."""
        assert self._reading is not None
        words: str = await asyncio.shield(self._reading)
        return words

    def _command(self) -> list[str]:
        return [
            *(ffmpeg(), "-hide_banner", "-nostdin", "-loglevel", "error", *self._inputs, *self._codecs),
            *("-f", "flv", "-flvflags", "no_duration_filesize", "-flush_packets", "1", "-tcp_nodelay", "1"),
            self._server,
        ]

    async def _last_words(self, process: asyncio.subprocess.Process) -> str:
        assert process.stderr is not None
        said = unfit = last = ""
        with contextlib.suppress(ValueError):  # a line longer than the limit
            async for line in process.stderr:
                last = line.decode(errors="replace").strip().replace(self._name, "…")
                said = last.partition(_SAID)[2] or said
                unfit = last if _UNFIT.search(last) else unfit
                logger.debug("ffmpeg: %s", last)
        await process.wait()
        key_behind(self._name)  # it may never have come so far
        self.was_refused = bool(said)
        return said or unfit or last


def codecs_after(words: str, codecs: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is to be encoded again where RTMP could not carry it, by ffmpeg's last words; else the same."""
    if (unfit := _UNFIT.search(words)) is None:
        return codecs
    is_sound = int(unfit["id"]) >= _FIRST_SOUND if unfit["id"] else "Audio codec" in words
    again = AGAIN_AUDIO if is_sound else AGAIN_VIDEO
    return codecs if set(again) <= set(codecs) else (*codecs, *again)
