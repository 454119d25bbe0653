"""The handshake of RTMP: each side sends a version and 1,536 bytes, and sends the other's back.

Called by the session (ingest.rtmp.session). Encoders that sign their bytes ("complex") are answered as plain ones: they
all take that, for signatures are about players. Source: Adobe, "RTMP 1.0" (2012), section 5.2.
"""

from __future__ import annotations

import os

from ingest.rtmp.chunks import BadRtmp

_VERSION = 3
_BYTES = 1536


class Handshake:
    """Bytes in; `answer` is what to send; true `is_done`: what came after it is in `rest`."""

    def __init__(self) -> None:
        self.is_done = False
        self.rest = b""
        self._buffer = b""
        self._is_answered = False

    def receive(self, data: bytes) -> bytes:
        """Return what to send. Raises BadRtmp at the first byte that is no RTMP."""
        self._buffer += data
        if self._buffer and self._buffer[0] != _VERSION:
            raise BadRtmp("The encoder sent what is no RTMP.")
        if len(self._buffer) > 2 * _BYTES:
            self.is_done = True
            self.rest = self._buffer[1 + 2 * _BYTES :]
        if self._is_answered or len(self._buffer) <= _BYTES:
            return b""
        self._is_answered = True
        ours = bytes(8) + os.urandom(_BYTES - 8)
        return bytes([_VERSION]) + ours + self._buffer[1 : 1 + _BYTES]
