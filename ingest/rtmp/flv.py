"""FLV: what RTMP carries, as a file. The payloads are the same, so nothing is parsed; ffmpeg reads it from a pipe.

Called by the server (ingest.rtmp.server). Source: Adobe, "Video File Format Specification 10", annex E.
"""

from __future__ import annotations

import struct

from ingest.rtmp import amf0
from ingest.rtmp.chunks import MessageKind, RtmpMessage
from ingest.rtmp.times import SteadyTimes

FACTS_MAX_BYTES = 65_536
_HEAD = struct.Struct(">BBHHBB3x")
_SIZE = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size
_VIDEO, _AUDIO = 1, 4


class FlvFile:
    """The messages of one stream as the pieces of a file, which begins with its header."""

    def __init__(self) -> None:
        self._has_begun = False
        self._times = SteadyTimes()

    def pieces(self, message: RtmpMessage) -> tuple[bytes | bytearray, ...]:
        """Return what to write for a message, to be joined."""
        payload, time = message.payload, message.timestamp_ms
        if message.kind != MessageKind.DATA:
            time = self._times.steady(message.kind, time)
        size = len(payload)
        head = _HEAD.pack(message.kind, size >> 16, size & 0xFFFF, time >> 8 & 0xFFFF, time & 0xFF, time >> 24)
        tag = (head, payload, _SIZE.pack(_HEAD_BYTES + size))
        if self._has_begun:
            return tag
        self._has_begun = True
        return (_header(message), *tag)


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


def _header(first: RtmpMessage) -> bytes:
    """ffmpeg waits seconds for a track that the header names, and misses one that it does not name.

    So the track is left out only if the encoder's facts know the other one alone.
    """
    names = facts(first)
    video = _VIDEO * any(name.startswith("video") for name in names)
    audio = _AUDIO * any(name.startswith("audio") for name in names)
    return struct.pack(">3sBBII", b"FLV", 1, (video | audio) or (_VIDEO | _AUDIO), 9, 0)
