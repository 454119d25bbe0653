"""The WebSocket codec (RFC 6455), without I/O: keys of the handshake, and frames of both sides.

Called by realtime.edge.upgrade (handshake), realtime.edge.sockets (frames), realtime.events (a frame for all viewers at
once), and by the load generator, which is a client. Imports nothing of the project.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import math
import os
from collections.abc import Iterator
from typing import ClassVar

MESSAGE_MAX_BYTES = 64 * 1024
# Frames between two heartbeats that are no whole message. Pings, pongs and fragments cost time, and are no commands.
EXTRAS_MAX = 3_000
FROM_SERVER_MAX_BYTES = 16 * 1024 * 1024  # what a client takes in one message: a snapshot may be large
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASKED = 0x80
_DECODER = codecs.getincrementaldecoder("utf-8")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ProtocolError(Exception):
    """The other side broke the protocol: close with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def new_key() -> str:
    """Return a `Sec-WebSocket-Key` for one handshake."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_key(key: bytes) -> bytes:
    """Return the `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`. Raises ValueError for a bad key."""
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            raise ValueError("a key has 16 bytes")
    except binascii.Error as error:
        raise ValueError("a key is base64") from error
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def websocket_frame(payload: bytes, *, opcode: int = TEXT) -> bytes:
    """Return a final, unmasked frame: what a server sends."""
    return _head(opcode, len(payload), 0) + payload


def client_frame(payload: bytes, *, opcode: int = TEXT) -> bytes:
    """Return a final, masked frame: what a client must send."""
    mask = os.urandom(4)
    return _head(opcode, len(payload), MASKED) + mask + _masked(payload, mask)


def _head(opcode: int, size: int, masked: int) -> bytes:
    if size < 126:
        return bytes((0x80 | opcode, masked | size))
    if size < 65_536:
        return bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big")


class Inbound:
    """Bytes of a client to whole messages: `(TEXT, "…")`, `(BINARY, b"…")`, and control frames with their payload."""

    __slots__ = ("_checked", "_decoder", "_kept", "_message", "_opcode", "extras")
    # The mask bit, the bytes of a short head with its mask, the longest message: one look-up a call instead of three.
    _side: ClassVar[tuple[int, int, int]] = (MASKED, 6, MESSAGE_MAX_BYTES)
    _extras_max: ClassVar[float] = EXTRAS_MAX
    _decodes: ClassVar[bool] = True

    def __init__(self) -> None:
        self.extras = 0  # frames that were no whole message; the owner resets it from time to time
        self._kept = b""
        self._message: bytearray | None = None  # fragments of a message that is not whole yet
        self._opcode = 0
        self._checked = 0  # bytes of an unfinished frame that were checked as text
        self._decoder: codecs.IncrementalDecoder | None = None  # of a text that is not whole yet

    @property
    def is_unfinished(self) -> bool:
        """Whether a message or a frame has begun and is not whole."""
        return bool(self._kept) or self._message is not None

    def feed(self, data: bytes) -> Iterator[tuple[int, str | bytes]]:
        """Take bytes and yield what they completed, in order. Raises ProtocolError after everything that came before
        the fault.

        Read it to its end, or end the connection.
        """
        if self._kept:
            data = self._kept + data
        at, end = 0, len(data)
        masked, head_bytes, message_max_bytes = self._side
        while end - at >= 2:
            first, size = data[at], data[at + 1]
            opcode = first & 0x0F
            if first & 0x70 or size & MASKED != masked or 3 <= opcode <= 7 or opcode > PONG:
                raise ProtocolError(1002)
            size &= 0x7F
            message = self._message
            if opcode >= CLOSE:
                if size > 125 or not first & 0x80:
                    raise ProtocolError(1002)
            elif (opcode == 0) is (message is None):
                raise ProtocolError(1002)  # it continues no message, or begins within another one
            body = at + head_bytes
            if size >= 126:
                width = 2 if size == 126 else 8
                body += width
                if end < at + 2 + width:
                    break
                size = int.from_bytes(data[at + 2 : at + 2 + width], "big")
            if opcode < CLOSE and size + (len(message) if message else 0) > message_max_bytes:
                raise ProtocolError(1009)
            if end < body + size:
                if opcode < CLOSE and (opcode or self._opcode) == TEXT:
                    self._check_begun(data, body)
                break
            payload = data[body : body + size]
            if masked:
                payload = _masked(payload, data[body - 4 : body])
            at = body + size
            if not 0 < opcode < CLOSE or not first & 0x80:
                self.extras += 1
                if self.extras > self._extras_max:
                    raise ProtocolError(1008)
            if opcode >= CLOSE:
                yield opcode, payload
            elif (whole := self._whole(opcode, payload, is_final=bool(first & 0x80))) is not None:
                yield whole
        self._kept = data[at:]

    def _whole(self, opcode: int, payload: bytes, *, is_final: bool) -> tuple[int, str | bytes] | None:
        """Add a data frame to its message. Return the message when it is whole. Raises ProtocolError."""
        checked, self._checked = self._checked, 0
        if opcode:
            self._opcode = opcode
        if not is_final:
            if self._opcode == TEXT:
                self._check(payload[checked:])
            self._message = (self._message or bytearray()) + payload
            return None
        if self._message is not None:
            payload, self._message = bytes(self._message) + payload, None
        self._decoder = None
        if self._opcode == BINARY or not self._decodes:
            return self._opcode, payload
        try:
            return TEXT, payload.decode()
        except UnicodeDecodeError:
            raise ProtocolError(1007) from None

    def _check_begun(self, data: bytes, body: int) -> None:
        """Check the text of a frame that has not come whole yet. Raises ProtocolError."""
        begun = data[body + self._checked :]
        if begun:
            mask, turn = data[body - 4 : body], self._checked % 4
            self._checked += len(begun)
            self._check(_masked(begun, mask[turn:] + mask[:turn]))

    def _check(self, text: bytes) -> None:
        """Find bad UTF-8 at once, not at the end of the message. Raises ProtocolError."""
        self._decoder = self._decoder or _DECODER()
        try:
            self._decoder.decode(text)
        except UnicodeDecodeError:
            raise ProtocolError(1007) from None


class FromServer(Inbound):
    """Bytes of a server to whole messages, as a client reads them. A text stays bytes, and its UTF-8 is not checked."""

    __slots__ = ()
    _side = (0, 2, FROM_SERVER_MAX_BYTES)
    _extras_max = math.inf
    _decodes = False

    def _check_begun(self, data: bytes, body: int) -> None: ...

    def _check(self, text: bytes) -> None: ...


def _masked(payload: bytes, mask: bytes) -> bytes:
    """Mask, or unmask, which is the same. Source: RFC 6455, section 5.3."""
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def close_code(payload: bytes) -> int:
    """Return the code to answer a client's close frame with. Source: RFC 6455, sections 5.5.1 and 7.4."""
    if not payload:
        return 1000
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return 1007
    code = int.from_bytes(payload[:2], "big")
    is_known = 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    return code if len(payload) >= 2 and is_known else 1002
