"""FLV: what RTMP carries, as a file. The payloads are the same, so nothing is parsed; ffmpeg reads it from a pipe.

Called by the server (ingest.rtmp.server). Source: Adobe, "Video File Format Specification 10", annex E.
"""

from __future__ import annotations

import struct

from ingest.rtmp import amf0
from ingest.rtmp.chunks import MessageKind, RtmpMessage
from ingest.rtmp.times import SteadyTimes

_SIGNATURE = b"FLV"
FACTS_MAX_BYTES = 65_536
_HEAD = struct.Struct(">BBHHBB3x")
_SIZE = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size
_VIDEO, _AUDIO = 1, 4
_ENHANCED, _ENHANCED_AUDIO = 0x80, 9
HELD_MAX_BYTES = 4_194_304
_EMPTY_HEAD = 0xA0, 2  # of AAC: its first four bits, and how long it is
_WITH_HEADS: dict[int, tuple[int, ...]] = {MessageKind.VIDEO: (7, 12), MessageKind.AUDIO: (10,)}  # AVC, HEVC; AAC


class FlvFile:
    """The messages of one stream as the pieces of a file, which begins with its header.

    When a track becomes another one (of another size, say), another file begins, with all that a decoder needs.
    An encoder that copies AAC may know its head only when the first sound comes, and sends an empty one before. What
    comes meanwhile is held: ffmpeg would begin without the sound.
    """

    def __init__(self) -> None:
        self._times = SteadyTimes()
        self._facts: RtmpMessage | None = None
        self._heads: dict[int, RtmpMessage] = {}
        self._held: list[RtmpMessage] | None = None
        self._held_bytes = 0
        self._has_begun = False
        self._is_over = False

    def end(self) -> None:
        """Begin another file with the next frame."""
        self._is_over = self._has_begun

    def pieces(self, message: RtmpMessage) -> tuple[bytes | bytearray, ...]:
        """Return what to write for a message, to be joined. If a file begins, its header is the first piece."""
        if _is_empty_head(message):
            self._held, self._held_bytes = None if self._has_begun else [], 0
            return ()
        if self._held is None:
            return self._pieces(message)
        self._held.append(message)
        self._held_bytes += len(message.payload)
        if not _is_sounds_head(message) and self._held_bytes < HELD_MAX_BYTES:
            return ()
        held, self._held = sorted(self._held, key=lambda one: not _is_sounds_head(one)), None
        return tuple(piece for one in held for piece in self._pieces(one))

    def _pieces(self, message: RtmpMessage) -> tuple[bytes | bytearray, ...]:
        time, is_frame = message.timestamp_ms, False
        if message.kind == MessageKind.DATA:
            self._facts = message if facts(message) else self._facts
        else:
            time = self._times.steady(message.kind, time)
            is_frame = not _is_head(message)
            if not is_frame and self._replaces_head(message):
                self.end()
                return ()  # it comes with the file that begins
        if not self._has_begun:
            self._has_begun = True
            return (_header(self._facts), *_tag(message, time))
        if not (self._is_over and is_frame):
            return _tag(message, time)
        self._is_over = False
        known = [one for one in (self._facts, *self._heads.values()) if one is not None]
        return (_header(self._facts), *(piece for one in (*known, message) for piece in _tag(one, time)))

    def _replaces_head(self, message: RtmpMessage) -> bool:
        former = self._heads.get(message.kind)
        self._heads[message.kind] = message
        return former is not None and former.payload != message.payload


def _is_empty_head(message: RtmpMessage) -> bool:
    first, size = _EMPTY_HEAD
    return _is_sounds_head(message) and message.payload[0] & 0xF0 == first and len(message.payload) == size


def _is_sounds_head(message: RtmpMessage) -> bool:
    return message.kind == MessageKind.AUDIO and _is_head(message)


def _is_head(message: RtmpMessage) -> bool:
    """Whether it says how to decode the frames that follow."""
    first = message.payload[0]
    if message.kind == MessageKind.VIDEO and first & _ENHANCED:
        return first & 15 == 0
    if message.kind == MessageKind.AUDIO and first >> 4 == _ENHANCED_AUDIO:
        return first & 15 == 0
    codec = first & 15 if message.kind == MessageKind.VIDEO else first >> 4
    return codec in _WITH_HEADS[message.kind] and message.payload[1:2] == b"\0"


def _tag(message: RtmpMessage, time: int) -> tuple[bytes | bytearray, ...]:
    size = len(message.payload)
    head = _HEAD.pack(message.kind, size >> 16, size & 0xFFFF, time >> 8 & 0xFFFF, time & 0xFF, time >> 24)
    return head, message.payload, _SIZE.pack(_HEAD_BYTES + size)


def is_header(data: bytes | bytearray) -> bool:
    """Whether a file begins there."""
    return data.startswith(_SIGNATURE)


def facts(message: RtmpMessage) -> dict[str, amf0.Value]:
    """Return what an encoder says about its stream (`onMetaData`); empty for anything else."""
    if message.kind != MessageKind.DATA or len(message.payload) > FACTS_MAX_BYTES:
        return {}
    try:
        values = amf0.decode(message.payload)
    except amf0.BadAmf:
        return {}
    found = values[1] if len(values) > 1 and values[0] == "onMetaData" else None
    return found if isinstance(found, dict) else {}


def _header(said: RtmpMessage | None) -> bytes:
    """ffmpeg waits seconds for a track that the header names, and misses one that it does not name.

    So the track is left out only if the encoder's facts know the other one alone.
    """
    names = facts(said) if said else {}
    video = _VIDEO * any(name.startswith("video") for name in names)
    audio = _AUDIO * any(name.startswith("audio") for name in names)
    return struct.pack(">3sBBII", _SIGNATURE, 1, (video | audio) or (_VIDEO | _AUDIO), 9, 0)
