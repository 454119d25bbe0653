"""The bytes of an encoder, made by hand: for what ffmpeg would not send, and without waiting for answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hypothesis import HealthCheck, settings

from ingest.rtmp import amf0

AUDIO, VIDEO, DATA, COMMAND = 8, 9, 18, 20
KEYFRAME = b"\x17\x01\x00\x00\x00"
FRAME = b"\x27\x01\x00\x00\x00"
SEQUENCE = b"\x17\x00\x00\x00\x00"

PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))  # on a machine that is slow or busy

HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)


def basic_header(form: int, id: int) -> bytes:
    if id < 64:
        return bytes([form << 6 | id])
    if id < 320:
        return bytes([form << 6, id - 64])
    return bytes([form << 6 | 1]) + (id - 64).to_bytes(2, "little")


def header(form: int, kind: int, length: int, time: int, stream_id: int = 1) -> bytes:
    """The message header of a chunk; `time`: the timestamp for form 0, else the step."""
    fields = [struct.pack(">I", min(time, 0xFFFFFF))[1:], length.to_bytes(3, "big") + bytes([kind])]
    fields.append(stream_id.to_bytes(4, "little"))
    extended = struct.pack(">I", time) if time >= 0xFFFFFF and form < 3 else b""
    return b"".join(fields[: 3 - form]) + extended


def chunks(
    kind: int, payload: bytes, *, time: int = 0, id: int = 4, form: int = 0, chunk_bytes: int = 128, stream_id: int = 1
) -> list[bytes]:
    """A message in as many chunks as it needs."""
    pieces = [payload[at : at + chunk_bytes] for at in range(0, len(payload), chunk_bytes)] or [b""]
    extended = struct.pack(">I", time) if time >= 0xFFFFFF else b""
    first = basic_header(form, id) + header(form, kind, len(payload), time, stream_id)
    return [first + pieces[0], *(basic_header(3, id) + extended + piece for piece in pieces[1:])]


def message(kind: int, payload: bytes, *, time: int = 0, id: int = 4, chunk_bytes: int = 128) -> bytes:
    return b"".join(chunks(kind, payload, time=time, id=id, chunk_bytes=chunk_bytes))


def command(name: str, transaction: float, *arguments: amf0.Value) -> bytes:
    return message(COMMAND, amf0.encode(name, transaction, *arguments), id=3)


def connect(app: str = "live", **more: amf0.Value) -> bytes:
    return command("connect", 1, {"app": app, "type": "nonprivate", "tcUrl": f"rtmp://localhost/{app}", **more})


def publish(name: amf0.Value) -> bytes:
    return command("publish", 5, None, name, "live")


def opening(key: str = "key", app: str = "live") -> bytes:
    """All that an encoder says before its picture, as OBS says it."""
    return b"".join(
        [
            *(HANDSHAKE, connect(app), command("releaseStream", 2, None, key), command("FCPublish", 3, None, key)),
            *(command("createStream", 4, None), publish(key)),
        ]
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """A message of the server."""

    kind: int
    payload: bytes

    @property
    def values(self) -> list[amf0.Value]:
        return amf0.decode(self.payload)

    @property
    def number(self) -> int:
        return int.from_bytes(self.payload[:4], "big")


def replies(data: bytes) -> list[Reply]:
    """What the server said after its handshake: each in one chunk of form 0."""
    found = []
    while data:
        assert data[0] >> 6 == 0
        length = int.from_bytes(data[4:7], "big")
        found.append(Reply(data[7], data[12 : 12 + length]))
        data = data[12 + length :]
    return found


def said(data: bytes) -> list[tuple[str, str]]:
    """Code and description of each status in what the server said."""
    statuses = [reply.values[3] for reply in replies(data) if reply.kind == COMMAND and reply.values[0] == "onStatus"]
    return [(str(status["code"]), str(status["description"])) for status in statuses if isinstance(status, dict)]
