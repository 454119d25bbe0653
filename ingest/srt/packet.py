"""The packets of SRT, as far as a relay reads them: handshakes, and the end of a connection. Bytes in, bytes out.

Called by ingest.srt.server and ingest.srt.caller. All else (data, acknowledgements, losses) passes as it came.
Source: draft-sharabayko-srt-01, 3.2.1 (handshake), 3.2.2 (key material), 3.2.7 (shutdown), 4.3.1 (caller, listener).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

_HEADER = struct.Struct(">HHIII")  # kind, its own kind, more of it, microseconds, socket of the receiver
_HANDSHAKE = struct.Struct(">IHHIIIIII16s")
_EXTENSION = struct.Struct(">HH")  # kind, words of 4 bytes
HEADER_BYTES = _HEADER.size
HANDSHAKE_BYTES = _HEADER.size + _HANDSHAKE.size
_CONTROL, _SHUTDOWN, _OWN = 0x8000, 0x8005, 0xFFFF
_MAGIC, _DATAGRAMS = 0x4A17, 2
_KEY_REQUEST, _KEY_ANSWER, _STREAM_ID = 3, 4, 5
_STREAM_ID_MAX_BYTES = 512


class HandshakePhase(IntEnum):
    """What a handshake is. Larger numbers than REFUSED say why it was refused."""

    INDUCTION = 1
    CONCLUSION = 0xFFFFFFFF
    REFUSED = 1000


class SrtRefusal(IntEnum):
    """Why an encoder is refused: numbers that it knows words for."""

    WRONG_PASSPHRASE = 1010
    NO_PASSPHRASE = 1011
    BAD_REQUEST = 2400
    UNAUTHORIZED = 2401
    OVERLOADED = 2402


class BadSrt(Exception):
    """What came is no handshake of SRT, or of a version that is not taken."""


@dataclass(frozen=True, slots=True)
class SrtHandshake:
    """One handshake. `extensions`: bytes after its fixed fields. `to_socket`: 0 while the receiver has none. `at_us`:
    since the sender's beginning, by which the receiver plays all that follows.
    """

    version: int
    encryption: int
    flags: int
    sequence: int
    packet_bytes: int
    window: int
    phase: int
    socket: int
    cookie: int
    address: bytes
    at_us: int = 0
    to_socket: int = 0
    extensions: bytes = b""

    @classmethod
    def read(cls, data: bytes) -> SrtHandshake:
        """Raises BadSrt."""
        if len(data) < HANDSHAKE_BYTES:
            raise BadSrt("A handshake of SRT is longer.")
        kind, _, _, at_us, to_socket = _HEADER.unpack_from(data)
        if kind != _CONTROL:
            raise BadSrt("It begins with no handshake.")
        fields = cls(*_HANDSHAKE.unpack_from(data, HEADER_BYTES))
        return replace(fields, at_us=at_us, to_socket=to_socket, extensions=data[HANDSHAKE_BYTES:])

    def to_bytes(self) -> bytes:
        header = _HEADER.pack(_CONTROL, 0, 0, self.at_us % 2**32, self.to_socket)
        fields = _HANDSHAKE.pack(
            *(self.version, self.encryption, self.flags, self.sequence, self.packet_bytes, self.window),
            *(self.phase, self.socket, self.cookie, self.address),
        )
        return header + fields + self.extensions

    @property
    def stream_id(self) -> str:
        """What the encoder calls its stream; "": it says nothing. Raises BadSrt."""
        found = self._extension(_STREAM_ID)
        if len(found) > _STREAM_ID_MAX_BYTES:
            raise BadSrt("The stream id is too long.")
        # Each word of 4 bytes is sent backwards.
        text = b"".join(found[at : at + 4][::-1] for at in range(0, len(found), 4))
        return text.rstrip(b"\0").decode("utf-8", "replace")

    @property
    def key_request(self) -> bytes:
        """The key material; empty: the stream is not encrypted. Raises BadSrt."""
        return self._extension(_KEY_REQUEST)

    def _extension(self, wanted: int) -> bytes:
        return next((content for kind, content in self._each() if kind == wanted), b"")

    def _each(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + _EXTENSION.size <= len(self.extensions):
            kind, words = _EXTENSION.unpack_from(self.extensions, at)
            at += _EXTENSION.size + 4 * words
            if at > len(self.extensions):
                raise BadSrt("An extension of the handshake is cut.")
            yield kind, self.extensions[at - 4 * words : at]

    # What a listener, and a caller of another one, sends next

    def induced(self, cookie: int) -> SrtHandshake:
        """The answer to an induction: as long as that, so nobody can use us to send more than they send."""
        return replace(
            self, version=5, encryption=0, flags=_MAGIC, cookie=cookie, to_socket=self.socket, extensions=b""
        )

    def inducing(self) -> SrtHandshake:
        """What its caller would have sent before this conclusion."""
        return replace(
            self, phase=HandshakePhase.INDUCTION, version=4, encryption=0, flags=_DATAGRAMS, cookie=0, extensions=b""
        )

    def refused(self, why: SrtRefusal) -> SrtHandshake:
        return replace(self, phase=why, encryption=0, flags=0, to_socket=self.socket, extensions=b"")


def is_handshake(data: bytes) -> bool:
    return int.from_bytes(data[:2], "big") == _CONTROL


def is_key_answer(data: bytes) -> bool:
    """Whether it may answer key material: a handshake, or the answer to a new key in mid-stream."""
    kind, own, _, _, _ = _HEADER.unpack_from(data)
    return (kind, own) in ((_CONTROL, 0), (_OWN, _KEY_ANSWER))


def key_request(data: bytes) -> bytes:
    """Return the key material of a request for a new key in mid-stream; empty: it is none."""
    kind, own, _, _, _ = _HEADER.unpack_from(data)
    return data[HEADER_BYTES:] if (kind, own) == (_OWN, _KEY_REQUEST) else b""


def shutdown(to_socket: int) -> bytes:
    """Return the packet that ends a connection at once, where silence would end it within seconds."""
    return _HEADER.pack(_SHUTDOWN, 0, 0, 0, to_socket) + bytes(4)
