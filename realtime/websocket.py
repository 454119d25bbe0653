"""WebSocket (RFC 6455) from the server's side, without I/O: the handshake's key and the frames that clients send.

Called by realtime.server (handshake) and realtime.sockets (frames). What viewers get is framed in realtime.events.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

MESSAGE_MAX_BYTES = 64 * 1024
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ProtocolError(Exception):
    """The client broke the protocol: close with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def accept_key(key: bytes) -> bytes:
    """Return the `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`. Raises ValueError for what is no key."""
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            raise ValueError("a key has 16 bytes")
    except binascii.Error as error:
        raise ValueError("a key is base64") from error
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class Inbound:
    """Bytes of a client to whole messages: `(TEXT, "…")`, `(BINARY, b"…")`, and control frames with their payload."""

    __slots__ = ("_kept", "_message", "_opcode")

    def __init__(self) -> None:
        self._kept = b""
        self._message: bytearray | None = None  # fragments of a message that is not whole yet
        self._opcode = 0

    def feed(self, data: bytes) -> list[tuple[int, str | bytes]]:
        """Take bytes, return what they completed, in order. Raises ProtocolError; what came before it is lost."""
        if self._kept:
            data = self._kept + data
        found: list[tuple[int, str | bytes]] = []
        at, end = 0, len(data)
        while end - at >= 2:
            first, size = data[at], data[at + 1]
            opcode = first & 0x0F
            if first & 0x70 or not size & 0x80 or 3 <= opcode <= 7 or opcode > PONG:
                raise ProtocolError(1002)
            size &= 0x7F
            if opcode >= CLOSE and (size > 125 or not first & 0x80):
                raise ProtocolError(1002)
            body = at + 6
            if size >= 126:
                width = 2 if size == 126 else 8
                body += width
                if end < at + 2 + width:
                    break
                size = int.from_bytes(data[at + 2 : at + 2 + width], "big")
            if size + len(self._message or b"") > MESSAGE_MAX_BYTES:
                raise ProtocolError(1009)
            if end < body + size:
                break
            payload = _unmasked(data[body : body + size], data[body - 4 : body])
            at = body + size
            if opcode >= CLOSE:
                found.append((opcode, payload))
            elif (message := self._whole(opcode, payload, is_final=bool(first & 0x80))) is not None:
                found.append(message)
        self._kept = data[at:]
        return found

    def _whole(self, opcode: int, payload: bytes, *, is_final: bool) -> tuple[int, str | bytes] | None:
        """Add a data frame to its message; return the message when it is whole. Raises ProtocolError."""
        if (opcode == 0) is (self._message is None):
            raise ProtocolError(1002)  # goes on with nothing, or begins within another
        if opcode:
            self._opcode = opcode
            if not is_final:
                self._message = bytearray(payload)
                return None
        elif self._message is not None:
            self._message += payload
            if not is_final:
                return None
            payload, self._message = bytes(self._message), None
        if self._opcode == BINARY:
            return BINARY, payload
        try:
            return TEXT, payload.decode()
        except UnicodeDecodeError:
            raise ProtocolError(1007) from None


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def close_code(payload: bytes) -> int:
    """Return the code to answer a client's close frame with. Source: RFC 6455, section 7.4."""
    if not payload:
        return 1000
    code = int.from_bytes(payload[:2], "big")
    is_known = 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    return code if len(payload) >= 2 and is_known else 1002
