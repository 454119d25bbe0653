"""Chunk streams: messages cut into chunks, those of several streams in turns, to one row of bytes and back.

Called by the session (ingest.rtmp.session). Without I/O. What a peer makes it keep is bounded: one message's worth of
bytes over all its chunk streams, and few of them. Source: Adobe, "RTMP 1.0" (2012), section 5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

CHUNK_STREAMS_MAX = 64
_CHUNK_BYTES_DEFAULT = 128
_HEADER_BYTES = (11, 7, 3, 0)
_EXTENDED = 0xFFFFFF
_CLOCK_MASK = 0xFFFFFFFF


class BadRtmp(Exception):
    """The peer sent what is no RTMP, or more than is taken. Its text is for people."""


class MessageKind(IntEnum):
    """Section 5.4 and 7.1. As FLV has it: AUDIO, VIDEO, DATA."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACK_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20


@dataclass(slots=True)
class RtmpMessage:
    """`kind`: a MessageKind, or one that we do not know. The timestamp is of 32 bits, and starts again at 0."""

    kind: int
    timestamp_ms: int
    stream_id: int
    payload: bytes | bytearray


@dataclass(slots=True)
class _ChunkStream:
    """What the next chunk's header may leave out, and what has come of the message under way."""

    kind: int = 0
    length: int = 0
    stream_id: int = 0
    timestamp_ms: int = 0
    step_ms: int = 0
    is_extended: bool = False
    payload: bytearray = field(default_factory=bytearray)


class ChunkReader:
    """Bytes in, messages out. `chunk_bytes` is what the peer has set; a larger message than allowed ends it."""

    def __init__(self, *, message_max_bytes: int) -> None:
        self.message_max_bytes = message_max_bytes
        self.chunk_bytes = _CHUNK_BYTES_DEFAULT
        self._streams: dict[int, _ChunkStream] = {}
        self._stream = _ChunkStream()
        self._rest = b""  # a header that is not all there
        self._left = 0  # bytes of the chunk under way that are to come
        self._held = 0  # bytes of all messages under way

    def receive(self, data: bytes) -> Iterator[RtmpMessage]:
        """Yield the messages that are whole with this. Take all of them before the next call. Raises BadRtmp.

        What the receiver does with a message counts for the bytes after it: a new chunk size, a larger limit.
        """
        data = self._rest + data
        self._rest = b""
        at, end = 0, len(data)
        while at < end:
            if not self._left:
                start = self._begin(data, at)
                if not start:
                    self._rest = data[at:]
                    return
                at = start
            stream = self._stream
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            self._hold(len(piece))
            stream.payload += piece
            if len(stream.payload) == stream.length:
                payload, stream.payload = stream.payload, bytearray()
                self._held -= len(payload)
                yield RtmpMessage(stream.kind, stream.timestamp_ms, stream.stream_id, payload)

    def abort(self, id: int) -> None:
        """Forget the message under way on a chunk stream."""
        if (stream := self._streams.get(id)) is not None:
            self._held -= len(stream.payload)
            stream.payload = bytearray()

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self.message_max_bytes:
            raise BadRtmp("The encoder began more messages at a time than this server takes.")

    def _begin(self, data: bytes, at: int) -> int:
        """Read the header of a chunk; return where its bytes begin. 0: the header is not all there."""
        form, id, start = _basic_header(data, at)
        if not start:
            return 0
        stream = self._streams.get(id)
        if stream is None and form > 1:
            raise BadRtmp("The encoder sent what is no RTMP: a chunk without a header before it.")
        known = stream or _ChunkStream()
        end = start + _HEADER_BYTES[form]
        is_extended = data[start : start + 3] == b"\xff\xff\xff" if form < 3 else known.is_extended
        if len(data) < end + 4 * is_extended:
            return 0
        if stream is None:
            self._streams[id] = known
            if len(self._streams) > CHUNK_STREAMS_MAX:
                raise BadRtmp("The encoder sent what is no RTMP: too many chunk streams.")
        self._read_header(known, form, data[start:end])
        known.is_extended = is_extended
        if is_extended:
            known.step_ms = int.from_bytes(data[end : end + 4], "big")
            end += 4
        if not known.payload:
            known.timestamp_ms = (known.step_ms + (known.timestamp_ms if form else 0)) & _CLOCK_MASK
        self._stream = known
        self._left = min(self.chunk_bytes, known.length - len(known.payload))
        return end

    def _read_header(self, stream: _ChunkStream, form: int, header: bytes) -> None:
        if form == 3:
            return
        if stream.payload:
            raise BadRtmp("The encoder sent what is no RTMP: a message inside another.")
        stream.step_ms = int.from_bytes(header[:3], "big")
        if form < 2:
            stream.length = int.from_bytes(header[3:6], "big")
            stream.kind = header[6]
            if stream.length > self.message_max_bytes:
                raise BadRtmp(f"The encoder sent a message of {stream.length} bytes, which is more than is taken.")
        if form == 0:
            stream.stream_id = int.from_bytes(header[7:], "little")


def _basic_header(data: bytes, at: int) -> tuple[int, int, int]:
    """Return form, chunk stream and where the message header begins. Beginning at 0: it is not all there."""
    form, id = data[at] >> 6, data[at] & 63
    if id > 1:
        return form, id, at + 1
    more = data[at + 1 : at + 2 + id]
    if len(more) < 1 + id:
        return form, id, 0
    return form, 64 + int.from_bytes(more, "little"), at + 2 + id


def chunk(kind: MessageKind, payload: bytes, *, chunk_stream: int, stream_id: int = 0) -> bytes:
    """Return a message of ours in one chunk, which is as long as the chunk size that we have set, at most."""
    head = struct.pack(">BxxxBHB", chunk_stream, len(payload) >> 16, len(payload) & 0xFFFF, kind)
    return head + stream_id.to_bytes(4, "little") + payload
