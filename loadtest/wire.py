"""Bytes to blocks and back: HTTP heads, event streams (SSE) and WebSocket, as a viewer reads them. No I/O.

Called by `viewers` and `requests`. A *block* is the smallest thing a stream carries: one event of an event stream
without its blank line, or the text of one WebSocket message. `messages` gives a block its meaning.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from typing import Protocol

HEAD_MAX_BYTES = 16_384
BOM = b"\xef\xbb\xbf"
BLOCK_MAX_BYTES = 16 * 1024 * 1024
SUBPROTOCOL = "live.v1.json"
_COMMENTS = re.compile(rb"(?::[^\n]*\n)*")  # heartbeats: they belong to no event


class Broken(Exception):
    """The other side broke the protocol; the message says how."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an HTTP response. Header names are lower case."""

    status: int
    headers: dict[str, str]

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


def parse_head(data: bytes) -> tuple[Head, bytes] | None:
    """Return the head at the start of `data` and what follows it, None while it is incomplete. Raises Broken."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > HEAD_MAX_BYTES:
            raise Broken("an endless HTTP head")
        return None
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise Broken(f"not HTTP: {first[:60]!r}")
    pairs = (line.partition(":") for line in lines)
    return Head(int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}), data[end + 4 :]


class Stream(Protocol):
    """What follows the head of a viewer's connection."""

    @property
    def between_blocks(self) -> bool:
        """No byte of a block, chunk or frame is kept: what comes next can be understood alone."""
        ...

    @property
    def ended(self) -> bool:
        """The other side said that nothing follows."""
        ...

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes from the socket, return the blocks that they completed. Raises Broken."""
        ...

    def take_replies(self) -> bytes:
        """Return what the protocol wants written (pongs)."""
        ...


class Chunks:
    """HTTP/1.1 chunked coding, RFC 9112 section 7.1."""

    __slots__ = ("_kept", "ended")

    def __init__(self) -> None:
        self._kept = b""
        self.ended = False

    @property
    def between_chunks(self) -> bool:
        return not self._kept

    def feed(self, data: bytes) -> bytes:
        """Return the payload of the chunks that are complete now. Raises Broken."""
        if self._kept:
            data = self._kept + data
        parts: list[bytes] = []
        at = 0
        while not self.ended:
            line = data.find(b"\r\n", at)
            if line < 0:
                if len(data) - at > 1_024:
                    raise Broken("an endless chunk head")
                break
            try:
                size = int(data[at:line].partition(b";")[0], 16)
            except ValueError:
                raise Broken(f"not a chunk: {data[at:line][:40]!r}") from None
            if not 0 <= size <= BLOCK_MAX_BYTES:
                raise Broken(f"a chunk of {size} bytes")
            end = line + 2 + size
            if len(data) < end + 2:
                break
            if data[end : end + 2] != b"\r\n":
                raise Broken("a chunk without its end")
            parts.append(data[line + 2 : end])
            self.ended = size == 0
            at = end + 2
        self._kept = data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)


class EventStream:
    """The body of a `text/event-stream` response (WHATWG HTML, section 9.2), chunked or until the end."""

    __slots__ = ("_chunks", "_follows_cr", "_has_begun", "_kept")

    def __init__(self, *, chunked: bool) -> None:
        self._chunks = Chunks() if chunked else None
        self._kept = b""
        self._follows_cr = False
        self._has_begun = False

    @property
    def between_blocks(self) -> bool:
        return (not self._kept or _COMMENTS.fullmatch(self._kept) is not None) and (
            self._chunks is None or self._chunks.between_chunks
        )

    @property
    def ended(self) -> bool:
        return self._chunks is not None and self._chunks.ended

    def feed(self, data: bytes) -> list[bytes]:
        text = self._chunks.feed(data) if self._chunks else data
        if self._follows_cr and text:
            text = text.removeprefix(b"\n")  # of a CRLF whose CR was the end of a line already
            self._follows_cr = False
        if b"\r" in text:
            self._follows_cr = text.endswith(b"\r")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, self._kept = (self._kept + text).split(b"\n\n")
        if blocks and not self._has_begun:
            self._has_begun = True
            blocks[0] = blocks[0].removeprefix(BOM)
        if len(self._kept) > BLOCK_MAX_BYTES:
            raise Broken("an endless event")
        return blocks

    def take_replies(self) -> bytes:
        return b""


class WebSocketStream:
    """The frames a WebSocket server sends (RFC 6455, section 5): text, pieces of text, ping and close."""

    __slots__ = ("_kept", "_pieces", "_replies", "close_code", "ended")

    def __init__(self) -> None:
        self._kept = b""
        self._pieces: list[bytes] = []
        self._replies = bytearray()
        self.ended = False
        self.close_code = 1005  # none was given

    @property
    def between_blocks(self) -> bool:
        return not self._kept and not self._pieces

    def feed(self, data: bytes) -> list[bytes]:
        if self._kept:
            data = self._kept + data
        blocks: list[bytes] = []
        at = 0
        while not self.ended and (frame := _frame_at(data, at)):
            self._take(frame, blocks)
            at = frame.end
        self._kept = data[at:]
        return blocks

    def _take(self, frame: _ServerFrame, blocks: list[bytes]) -> None:
        match frame.opcode:
            case 0 | 1:
                self._pieces.append(frame.payload)
                if frame.final:
                    blocks.append(b"".join(self._pieces))
                    self._pieces.clear()
            case 8:
                self.ended = True
                if len(frame.payload) >= 2:
                    self.close_code = int.from_bytes(frame.payload[:2], "big")
                self._replies += client_frame(frame.payload[:2], opcode=8)
            case 9:
                self._replies += client_frame(frame.payload, opcode=10)
            case 10:
                pass
            case opcode:
                raise Broken(f"a WebSocket frame of opcode {opcode}")

    def take_replies(self) -> bytes:
        replies = bytes(self._replies)
        self._replies.clear()
        return replies


@dataclass(frozen=True, slots=True)
class _ServerFrame:
    opcode: int
    final: bool
    payload: bytes
    end: int


def _frame_at(data: bytes, at: int) -> _ServerFrame | None:
    """Return the frame at `at`, None while it is incomplete. Raises Broken."""
    if len(data) < at + 2:
        return None
    first, size = data[at], data[at + 1]
    if size & 0x80 or first & 0x70:
        raise Broken("a masked or compressed WebSocket frame")
    body = at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) < body + width:
            return None
        size = int.from_bytes(data[body : body + width], "big")
        body += width
    if size > BLOCK_MAX_BYTES:
        raise Broken(f"a WebSocket frame of {size} bytes")
    end = body + size
    if len(data) < end:
        return None
    return _ServerFrame(first & 0x0F, bool(first & 0x80), data[body:end], end)


def client_frame(payload: bytes, *, opcode: int = 1) -> bytes:
    """Return a final, masked WebSocket frame: what a client must send."""
    size = len(payload)
    mask = os.urandom(4)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    pattern = mask * (size // 4 + 1)
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pattern[:size], "big")
    return head + mask + masked.to_bytes(size, "big")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP/1.1 request as it is written."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encode(self, host: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body


def event_stream_request(path: str, *, last_event_id: str = "") -> Request:
    resume = {"Last-Event-ID": last_event_id} if last_event_id else {}
    # A browser's bare `text/event-stream` is answered with 200 even when the site refuses: it could not come back else.
    return Request("GET", path, {"Accept": "text/event-stream, application/json", **resume})


def websocket_request(path: str, *, origin: str) -> Request:
    key = base64.b64encode(os.urandom(16)).decode()
    return Request(
        "GET",
        path,
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": SUBPROTOCOL,
            "Origin": origin,
        },
    )
