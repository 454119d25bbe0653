"""The picture of one video, from its first encoder until its end: who sends it, what becomes of it, how it is doing.

Made by the ingest (ingest.desk). Encoders come and go; the packager and its playlists go on. Nothing here knows the
database: the desk asks for the `state` again and again, and writes it down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

from ingest.encoder import EncoderProcess
from ingest.packager.boxes import MalformedBox
from ingest.packager.renditions import Renditions
from ingest.rtmp.flv import is_header
from ingest.rtmp.health import StreamHealth
from ingest.rtmp.publish import Publish, RefusedStream
from web.store import StoreFull

logger = logging.getLogger(__name__)

STALLED_SECONDS = 1.2
GONE_SECONDS = 60.0
NOTHING_SECONDS = 10.0
"""An encoder that has sent nothing for so long after it was let in sends nothing at all."""
HELD_MAX_BYTES = 256 * 1024
HELD_SECONDS = 1.0
KEYFRAMES_MAX_SECONDS = 4.0
REPLACED = "Another encoder sends with the same key now."
TAKEN = "Another encoder sends with this key already. Stop it first."
STARTS_MAX, STARTS_SECONDS = 10, 60.0
TOO_OFTEN = "The picture was begun anew ten times within a minute."
LOST = "ffmpeg has ended, another one is started."
FULL = "The disk is full, so nothing more is recorded. The live picture goes on."
NOTHING = "Neither a picture nor a sound came that can be used."


class PictureState(StrEnum):
    WAITING = "waiting"
    LIVE = "live"
    STALLED = "stalled"
    GONE = "gone"
    OVER = "over"
    """It has been gone for too long, or never came: nobody waits any more."""


class Broadcast:
    """`again`: an ingest that has ended had begun it, so it has stalled until an encoder comes back.

    `replaces`: a second encoder with the same key takes the place of the first. Else it is refused while the first one
    sends: encoders come back by themselves when they are cut, and two of them would cut each other for ever.
    """

    def __init__(
        self,
        name: str,
        packager: Renditions,
        *,
        end_after_seconds: float,
        replaces: bool = False,
        again: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._packager = packager
        self._end_after_seconds = end_after_seconds
        self._clock = clock
        self._replaces = replaces
        self._is_recording = False
        self._unrecorded = ""
        self._came_at: float | None = clock() - STALLED_SECONDS if again else None
        self._attaching = asyncio.Lock()
        self._encoder: EncoderSink | None = None
        self._has_had_one = again
        self.trouble = ""
        """The last thing that went wrong, in words for the broadcaster."""

    @property
    def key(self) -> str:
        """The key with which somebody sends now; empty: nobody does."""
        return self._encoder.publish.key if self._encoder else ""

    @property
    def had_picture(self) -> bool:
        return self._came_at is not None

    @property
    def state(self) -> PictureState:
        if self._came_at is None:
            return PictureState.WAITING if self._encoder else PictureState.OVER
        silent = self._clock() - self._came_at
        if silent < STALLED_SECONDS:
            return PictureState.LIVE
        if silent < GONE_SECONDS:
            return PictureState.STALLED
        return PictureState.GONE if silent < self._end_after_seconds else PictureState.OVER

    def health(self) -> dict[str, Any]:
        """Return how the picture is doing, as the studio shows it."""
        read = self._encoder.publish.health.read() if self._encoder else None
        trouble = " ".join(dict.fromkeys(filter(None, (self._unrecorded, self.trouble))))
        found = {"state": self.state.value, "trouble": trouble, "encoder": None}
        return found if read is None else {**found, "encoder": _shown(read)}

    async def attach(self, publish: Publish) -> EncoderSink:
        """Let an encoder send, in place of one that sends nothing any more. Raises RefusedStream."""
        async with self._attaching:
            if self._encoder is not None and self.state is PictureState.LIVE and not self._replaces:
                raise RefusedStream(TAKEN)
            self.cut(REPLACED)
            await self.wait_closed()
            self._encoder = EncoderSink(publish, self)
            return self._encoder

    def look(self) -> None:
        """Cut an encoder from which nothing comes."""
        if self._encoder is not None and self._came_at is None and self._encoder.age_seconds > NOTHING_SECONDS:
            self.cut(NOTHING)

    def record(self) -> None:
        """Record from now on, if it does not do so yet and has room."""
        if not self._is_recording and not self._unrecorded:
            self._is_recording = True
            self._packager.record()

    def stop_recording(self, words: str) -> None:
        """Record nothing more; what is recorded stays. `words` say why."""
        if not self._unrecorded:
            logger.warning("%s: %s", self.name, words)
            self._unrecorded = words
            self._packager.stop_recording()

    def let_go(self, names: frozenset[str]) -> None:
        """Say which recorded files are kept elsewhere too: they may go when nobody plays them live any more."""
        self._packager.let_go(names)

    def cut(self, detail: str) -> None:
        """Cut the encoder that sends, if one does."""
        if self._encoder is not None:
            self._encoder.publish.cut(detail)

    async def wait_closed(self) -> None:
        """Return when nobody sends, and all that came has been packaged."""
        while self._encoder is not None:
            await self._encoder.closed.wait()

    async def end(self) -> None:
        """End it for good."""
        self.cut("The broadcast has ended.")
        await self.wait_closed()
        if not self._write(self._packager.end):
            self._write(self._packager.end)

    def sweep(self) -> None:
        """Delete what players may still have asked for at the end."""
        self._write(self._packager.sweep)

    # What an encoder's sink says

    def begins(self, height: int) -> list[int]:
        """Return the heights of the smaller renditions that are made of a picture of so many lines."""
        smaller = [one for one in self._packager.heights if one < height]
        self._write(partial(self._packager.begin, smaller, again=self._has_had_one))
        self._has_had_one = True
        self.trouble = ""
        return smaller

    def take(self, index: int, data: bytes) -> None:
        """Take what ffmpeg has made: 0, the picture as it came; then smaller ones."""
        try:
            is_written = self._write(partial(self._packager.feed, index, data))
            if is_written and index == 0 and self._packager.has_begun:
                self._came_at = self._clock()
        except MalformedBox as error:
            self._note(f"The picture cannot be used: {error}")
            self.cut(self.trouble)

    def _write(self, write: Callable[[], None]) -> bool:
        """Have the packager write; return whether it did. A full disk makes room: the live picture goes before all."""
        try:
            write()
            return True
        except StoreFull:
            self.stop_recording(FULL)
            with contextlib.suppress(StoreFull):
                self._packager.make_room()
        except OSError as error:
            self._note(f"The site cannot write the picture: {error.strerror}.")
            self.cut(self.trouble)
        return False

    def fails(self, words: str) -> None:
        if words:
            self._note(words)

    def left(self, sink: EncoderSink, reason: str) -> None:
        if self._encoder is sink:
            self._encoder = None
            self._note(reason)

    def _note(self, words: str) -> None:
        if words != self.trouble:
            logger.warning("%s: %s", self.name, words)
        self.trouble = words


class EncoderSink:
    """Where one encoder's picture goes: to an ffmpeg of its own, once it is known what comes.

    Another ffmpeg takes over when another file begins: the encoder has changed its picture, or ffmpeg has ended.
    """

    def __init__(self, publish: Publish, broadcast: Broadcast) -> None:
        self.publish = publish
        self.closed = asyncio.Event()
        self._broadcast = broadcast
        self._held = b""
        self._began = time.monotonic()
        self._process: EncoderProcess | None = None
        self._is_lost = False
        self._starts: deque[float] = deque(maxlen=STARTS_MAX)

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self._began

    async def write(self, data: bytes) -> None:
        """Take FLV. Raises RefusedStream when nothing can be made of it."""
        if is_header(data):
            await self._finish()
            self._held, self._is_lost = b"", False
        elif self._is_lost:
            return
        if self._process is None:
            self._held += data
            if not self._knows_enough():
                return
            self._process = await self._start()
            data, self._held = self._held, b""
        await self._process.write(data)

    async def close(self, reason: str) -> None:
        # To its end, also where the server is stopped meanwhile.
        await asyncio.shield(asyncio.create_task(self._close(reason), name="close"))

    async def _close(self, reason: str) -> None:
        try:
            await self._finish()
        finally:
            self._broadcast.left(self, reason)
            self.closed.set()

    async def _finish(self) -> None:
        """Let go of ffmpeg, when all that it made has been taken."""
        process, self._process = self._process, None
        if process is not None:
            await process.aclose()

    def _knows_enough(self) -> bool:
        read = self.publish.health.read()
        if read.video_codec and read.audio_codec:
            return True
        return len(self._held) > HELD_MAX_BYTES or self.age_seconds > HELD_SECONDS

    async def _start(self) -> EncoderProcess:
        read = self.publish.health.read()
        if not read.video_codec and not read.audio_codec:
            raise RefusedStream(NOTHING)
        now = time.monotonic()
        if len(self._starts) == STARTS_MAX and now - self._starts[0] < STARTS_SECONDS:
            raise RefusedStream(TOO_OFTEN)
        self._starts.append(now)
        process = EncoderProcess(self._broadcast.take, lambda words: self._over(process, words))
        heights = self._broadcast.begins(read.height if read.video_codec else 0)
        try:
            await process.start(video=read.video_codec, audio=read.audio_codec, heights=heights)
        except (OSError, RuntimeError) as error:
            raise RefusedStream(f"The site cannot start ffmpeg: {error}") from error
        return process

    def _over(self, process: EncoderProcess, words: str) -> None:
        """ffmpeg has ended: by itself it does so only when it cannot go on. Another one may."""
        is_lost = self._process is process
        self._broadcast.fails(words or (LOST if is_lost else ""))
        if is_lost:
            self._process, self._is_lost = None, True
            self.publish.renew()


def _shown(read: StreamHealth) -> dict[str, Any]:
    return {
        "bits_per_second": round(read.bits_per_second),
        "frames_per_second": round(read.frames_per_second, 1),
        "keyframe_seconds": read.keyframe_seconds,
        "has_rare_keyframes": (read.keyframe_seconds or 0) > KEYFRAMES_MAX_SECONDS,
        "video": read.video_codec,
        "audio": read.audio_codec,
        "width": read.width,
        "height": read.height,
        "jumps": read.timestamp_jumps,
    }
