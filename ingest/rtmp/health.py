"""How an incoming stream is doing, in numbers: for the broadcaster to see, and for the limit of the bandwidth.

Fed by the server (ingest.rtmp.server) with each read and each message; read by what shows it. Nothing is decoded: the
first bytes of a message tell. Sources: Adobe, "Video File Format Specification 10", annex E.4; Veovera, "Enhanced RTMP
v2", ExVideoTagHeader and ExAudioTagHeader.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ingest.rtmp import amf0, flv
from ingest.rtmp.chunks import MessageKind, RtmpMessage
from ingest.rtmp.times import JUMP_MS

WINDOW_SECONDS = 5
_KEYFRAME = 1
_VIDEO_CODECS = {2: "flv1", 4: "vp6f", 7: "avc1", 12: "hvc1"}
_AUDIO_CODECS = {2: ".mp3", 10: "mp4a", 11: "spex"}
_WITH_PACKETS = (7, 12)  # their second byte says whether it is a frame, as AAC's does
_AAC, _ENHANCED_AUDIO = 10, 9
_ENHANCED_FRAMES = (1, 3)
_MULTITRACK, _MODIFIED = 6, 7


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """Rates are of the last whole seconds, `WINDOW_SECONDS` at most. Codecs are four letters; empty: none has come.

    `keyframe_seconds` is the last distance between two keyframes, or the time since the last one if that is longer.
    """

    total_bytes: int
    bits_per_second: float
    frames_per_second: float
    keyframe_seconds: float | None
    video_codec: str
    audio_codec: str
    width: int
    height: int
    timestamp_jumps: int


@dataclass(slots=True)
class _Second:
    number: int
    bytes: int = 0
    frames: int = 0


class HealthMeter:
    """Counts what comes, by second. `clock` is monotonic."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._now = int(clock())
        self._seconds: deque[_Second] = deque([_Second(self._now)])
        self._total_bytes = 0
        self._last_ms: dict[int, int] = {}
        self._keyframe_ms: int | None = None
        self._keyframe_gap_ms: int | None = None
        self._video_codec = ""
        self._audio_codec = ""
        self._facts: dict[str, amf0.Value] = {}
        self._jumps = 0

    def receive(self, size: int) -> None:
        """Count bytes as they come from the socket."""
        self._total_bytes += size
        self._second().bytes += size

    def note(self, message: RtmpMessage) -> None:
        """Count a message: audio, video or facts."""
        if message.kind == MessageKind.DATA:
            self._facts = flv.facts(message) or self._facts
            return
        is_video = message.kind == MessageKind.VIDEO
        is_frame = self._note_video(message.payload) if is_video else self._note_audio(message.payload)
        if not is_frame:
            return
        last = self._last_ms.get(message.kind, message.timestamp_ms)
        self._jumps += not 0 <= message.timestamp_ms - last <= JUMP_MS
        self._last_ms[message.kind] = message.timestamp_ms
        if is_video:
            self._note_frame(message)

    def window_bits_per_second(self) -> float:
        """Return the rate over the window, with the second that is not over yet: it rises at once, and never jumps."""
        self._second()
        return sum(second.bytes for second in self._seconds) * 8 / WINDOW_SECONDS

    def read(self) -> StreamHealth:
        now = self._second().number
        whole = [second for second in self._seconds if second.number < now]
        seconds = max(1, min(WINDOW_SECONDS, now - self._began))
        return StreamHealth(
            total_bytes=self._total_bytes,
            bits_per_second=sum(second.bytes for second in whole) * 8 / seconds,
            frames_per_second=sum(second.frames for second in whole) / seconds,
            keyframe_seconds=self._keyframe_seconds(),
            video_codec=self._video_codec,
            audio_codec=self._audio_codec,
            width=self._whole_number("width"),
            height=self._whole_number("height"),
            timestamp_jumps=self._jumps,
        )

    def _second(self) -> _Second:
        """Return the second that it is now; forget those that have left the window."""
        now = int(self._clock())
        if now != self._now:
            self._now = now
            while self._seconds and self._seconds[0].number < now - WINDOW_SECONDS:
                self._seconds.popleft()
            self._seconds.append(_Second(now))
        return self._seconds[-1]

    def _note_video(self, payload: bytes | bytearray) -> bool:
        """Return whether it is a frame; what comes before the frames has no time of its own."""
        first = payload[0]
        if first & 0x80:
            self._video_codec = _four_letters(payload, first & 15) or self._video_codec
            return first & 15 in _ENHANCED_FRAMES
        self._video_codec = _VIDEO_CODECS.get(first & 15, "?")
        return first & 15 not in _WITH_PACKETS or payload[1:2] == b"\1"

    def _note_audio(self, payload: bytes | bytearray) -> bool:
        first = payload[0]
        if first >> 4 == _ENHANCED_AUDIO:
            self._audio_codec = _four_letters(payload, first & 15) or self._audio_codec
            return first & 15 == 1
        self._audio_codec = _AUDIO_CODECS.get(first >> 4, "?")
        return first >> 4 != _AAC or payload[1:2] == b"\1"

    def _note_frame(self, message: RtmpMessage) -> None:
        self._second().frames += 1
        if message.payload[0] >> 4 & 7 == _KEYFRAME:
            if self._keyframe_ms is not None:
                self._keyframe_gap_ms = message.timestamp_ms - self._keyframe_ms
            self._keyframe_ms = message.timestamp_ms

    def _keyframe_seconds(self) -> float | None:
        if self._keyframe_ms is None:
            return None
        since = self._last_ms[MessageKind.VIDEO] - self._keyframe_ms
        if self._keyframe_gap_ms is None and since < JUMP_MS:
            return None
        return max(since, self._keyframe_gap_ms or 0) / 1000

    def _whole_number(self, name: str) -> int:
        value = self._facts.get(name)
        return int(value) if isinstance(value, float) and 0 < value < 65_536 else 0


def _four_letters(payload: bytes | bytearray, kind: int) -> str:
    """Return the codec that an enhanced tag names; empty if it is further inside."""
    if kind == _MODIFIED:
        return ""
    start = 2 if kind == _MULTITRACK else 1
    return payload[start : start + 4].decode("latin-1")
