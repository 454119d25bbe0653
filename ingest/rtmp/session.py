"""One encoder's RTMP, without its socket: bytes in; bytes out, its wish to publish, and its picture as messages.

Driven by the server (ingest.rtmp.server). It knows the commands that encoders send (OBS, ffmpeg, librtmp, FMLE), and
takes one stream a connection: OBS may send a second one with another sound, which is left out.

Sources: Adobe, "RTMP 1.0" (2012), sections 5.4 and 7; Veovera, "Enhanced RTMP v2", for codecs besides H.264: they are
said to be welcome, and their messages pass as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.rtmp import amf0
from ingest.rtmp.chunks import BadRtmp, ChunkReader, MessageKind, RtmpMessage, chunk
from ingest.rtmp.handshake import Handshake

# An encoder that cuts as we do (ffmpeg) sends a frame in one or two chunks.
CHUNK_BYTES = 65_536
WINDOW_BYTES = 2_500_000
# All that an encoder says before it publishes fits; what has no key cannot make the server work for long.
EARLY_MAX_BYTES = 65_536
COMMAND_MAX_BYTES = 65_536
DETAIL_MAX = 1_000
# OBS writes the words of this one into its log, and of `BadName` it takes no notice.
_REFUSED = "NetStream.Publish.Rejected"
_CONTROL, _COMMANDS = 2, 3  # chunk streams
_STREAM_BEGIN, _PING, _PONG = 0, 6, 7
_DYNAMIC = 2
_CAN_FORWARD = 4
_VIDEO_CODECS = ("avc1", "hvc1", "av01", "vp09")
_AUDIO_CODECS = ("mp4a", "Opus", ".mp3", "ac-3", "ec-3", "fLaC")
_ENHANCED: dict[str, amf0.Value] = {
    "fourCcList": [*_VIDEO_CODECS, *_AUDIO_CODECS],
    "videoFourCcInfoMap": dict.fromkeys(_VIDEO_CODECS, _CAN_FORWARD),
    "audioFourCcInfoMap": dict.fromkeys(_AUDIO_CODECS, _CAN_FORWARD),
    "capsEx": 0,
}
_SET_DATA_FRAME = amf0.encode("@setDataFrame")
_CLEAR_DATA_FRAME = amf0.encode("@clearDataFrame")


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """Answer it with `accept` or `refuse` before the next event is taken."""

    path: str
    name: str


class StreamEnded:
    """The encoder has said that no more will come."""


SessionEvent = RtmpMessage | PublishRequest | StreamEnded


class RtmpSession:
    """`outgoing` is what to send: take it after each event or call."""

    def __init__(self, *, message_max_bytes: int) -> None:
        self.outgoing = bytearray()
        self._message_max_bytes = message_max_bytes
        self._handshake = Handshake()
        self._reader = ChunkReader(message_max_bytes=COMMAND_MAX_BYTES)
        self._path: str | None = None  # of `connect`
        self._streams = 0  # made
        self._stream_id = 1  # of the one that it wants to publish
        self._is_publishing = False
        self._received = 0
        self._acknowledged = 0
        self._window_bytes = WINDOW_BYTES

    def receive(self, data: bytes) -> Iterator[SessionEvent]:
        """Yield what the bytes mean. Take all of it before the next call. Raises BadRtmp."""
        self._count(len(data))
        if not self._handshake.is_done:
            self.outgoing += self._handshake.receive(data)
            data = self._handshake.rest
        for message in self._reader.receive(data):
            if message.kind in (MessageKind.VIDEO, MessageKind.AUDIO):
                if self._is_ours(message) and message.payload:
                    yield message
            elif message.kind in (MessageKind.DATA, MessageKind.DATA_AMF3):
                if self._is_ours(message) and (unwrapped := _unwrapped(message)) is not None:
                    yield unwrapped
            elif message.kind in (MessageKind.COMMAND, MessageKind.COMMAND_AMF3):
                yield from self._command(message)
            else:
                self._control(message)

    def accept(self) -> None:
        """Have the encoder begin."""
        self._is_publishing = True
        self._reader.message_max_bytes = self._message_max_bytes
        self._user_control(_STREAM_BEGIN, struct.pack(">I", self._stream_id))
        self._status("status", "NetStream.Publish.Start", "The stream may begin.")

    def refuse(self, detail: str) -> None:
        """Tell the encoder why its stream is not taken, or no longer. Close the connection then."""
        if self._path is not None:
            self._status("error", _REFUSED, detail[:DETAIL_MAX])

    def _is_ours(self, message: RtmpMessage) -> bool:
        """Whether it is of the stream that was accepted. Some encoders name none."""
        return self._is_publishing and message.stream_id in (0, self._stream_id)

    def _count(self, size: int) -> None:
        if not self._is_publishing and self._received > EARLY_MAX_BYTES:
            raise BadRtmp("The encoder sent too much before it asked to publish.")
        self._received += size
        if self._received - self._acknowledged >= self._window_bytes:
            self._acknowledged = self._received
            self._send(MessageKind.ACKNOWLEDGEMENT, struct.pack(">I", self._received & 0xFFFFFFFF))

    def _control(self, message: RtmpMessage) -> None:
        """Follow a message about the connection. What is not for encoders to send is passed over."""
        payload = message.payload
        if message.kind == MessageKind.USER_CONTROL:
            if payload[:2] == struct.pack(">H", _PING):
                self._user_control(_PONG, bytes(payload[2:6]))
            return
        number = int.from_bytes(payload[:4], "big")
        if message.kind == MessageKind.SET_CHUNK_SIZE:
            self._reader.chunk_bytes = number & 0x7FFFFFFF
            if not self._reader.chunk_bytes:
                raise BadRtmp("The encoder sent what is no RTMP: chunks of no bytes.")
        elif message.kind == MessageKind.ABORT:
            self._reader.abort(number)
        elif message.kind == MessageKind.WINDOW_ACK_SIZE:
            self._window_bytes = number

    def _command(self, message: RtmpMessage) -> Iterator[SessionEvent]:
        name, transaction, arguments = _parsed(message)
        path = self._path
        match name:
            case "connect":
                self._connect(transaction, arguments[0] if arguments else None)
            case "releaseStream" | "FCPublish":
                self._result(transaction, None)
            case "createStream":
                self._streams += 1
                self._result(transaction, None, self._streams)
            case "publish" if path is None:
                raise BadRtmp("The encoder sent what is no RTMP: it published before it connected.")
            case "publish" if self._is_publishing:
                self._status("error", _REFUSED, "One stream a connection is taken.", stream_id=message.stream_id)
            case "publish":
                self._stream_id = message.stream_id or self._stream_id
                named = arguments[1] if len(arguments) > 1 else None
                yield PublishRequest(path or "", named if isinstance(named, str) else "")
            case "play" | "play2":
                raise BadRtmp("This server takes streams, and plays none.")
            case "FCUnpublish" | "deleteStream" | "closeStream" if self._is_publishing:
                self._status("status", "NetStream.Unpublish.Success", "The stream has ended.")
                yield StreamEnded()

    def _connect(self, transaction: float, given: amf0.Value) -> None:
        """Say what the encoder may do, in the order of section 7.2.1; chunks first, for the answer is long."""
        wanted = given if isinstance(given, dict) else {}
        path = wanted.get("app")
        self._path = path if isinstance(path, str) else ""
        self._send(MessageKind.WINDOW_ACK_SIZE, struct.pack(">I", WINDOW_BYTES))
        self._send(MessageKind.SET_PEER_BANDWIDTH, struct.pack(">IB", WINDOW_BYTES, _DYNAMIC))
        self._send(MessageKind.SET_CHUNK_SIZE, struct.pack(">I", CHUNK_BYTES))
        server: dict[str, amf0.Value] = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31}
        info: dict[str, amf0.Value] = {
            "level": "status",
            "code": "NetConnection.Connect.Success",
            "description": "The server is ready.",
            "objectEncoding": 0,
        }
        if wanted.keys() & _ENHANCED.keys():
            server |= _ENHANCED
            info |= _ENHANCED
        self._result(transaction, server, info)

    def _result(self, transaction: float, *values: amf0.Value) -> None:
        self._send(MessageKind.COMMAND, amf0.encode("_result", transaction, *values))

    def _status(self, level: str, code: str, description: str, *, stream_id: int | None = None) -> None:
        info: amf0.Value = {"level": level, "code": code, "description": description}
        data = amf0.encode("onStatus", 0, None, info)
        self._send(MessageKind.COMMAND, data, stream_id=self._stream_id if stream_id is None else stream_id)

    def _user_control(self, event: int, data: bytes) -> None:
        self._send(MessageKind.USER_CONTROL, struct.pack(">H", event) + data)

    def _send(self, kind: MessageKind, payload: bytes, *, stream_id: int = 0) -> None:
        chunk_stream = _COMMANDS if kind == MessageKind.COMMAND else _CONTROL
        self.outgoing += chunk(kind, payload, chunk_stream=chunk_stream, stream_id=stream_id)


def _parsed(message: RtmpMessage) -> tuple[str, float, list[amf0.Value]]:
    """Return name, transaction and arguments of a command. The AMF3 form that encoders send is AMF0 after a zero."""
    if len(message.payload) > COMMAND_MAX_BYTES:
        raise BadRtmp("The encoder sent a command that is too long.")
    try:
        values = amf0.decode(message.payload[message.kind == MessageKind.COMMAND_AMF3 :])
    except amf0.BadAmf as error:
        raise BadRtmp(f"The encoder sent what is no RTMP: {error}.") from error
    name, transaction, *arguments = [*values, None, None][: max(2, len(values))]
    if not isinstance(name, str):
        raise BadRtmp("The encoder sent what is no RTMP: a command without a name.")
    return name, transaction if isinstance(transaction, float) else 0.0, arguments


def _unwrapped(message: RtmpMessage) -> RtmpMessage | None:
    """Return facts about the stream as a file has them. None: they are to be forgotten."""
    payload = message.payload[message.kind == MessageKind.DATA_AMF3 :].removeprefix(_SET_DATA_FRAME)
    if not payload or payload.startswith(_CLEAR_DATA_FRAME):
        return None
    return RtmpMessage(MessageKind.DATA, message.timestamp_ms, message.stream_id, payload)
