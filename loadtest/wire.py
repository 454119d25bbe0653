"""Bytes to blocks: HTTP heads, event streams (SSE) and WebSocket, as a viewer reads them; and requests. No I/O.

Called by `viewers` and `requests`. Frames of WebSockets are those of realtime.websocket, as in the server. A *block* is
the smallest thing a stream carries: one event of an event stream without its blank line, or the text of one WebSocket
message. `check` gives a block its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from realtime.websocket import CLOSE, PING, PONG, TEXT, FromServer, ProtocolError, client_frame, new_key

HEAD_MAX_BYTES = 16_384
BOM = b"\xef\xbb\xbf"
BLOCK_MAX_BYTES = 16 * 1024 * 1024
SUBPROTOCOL = "live.v1.json"
_COMMENTS = re.compile(rb"(?::[^\n]*\n)*")  # heartbeats: they belong to no event


class Broken(Exception):
    """The other side broke the protocol. The message says how."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of an HTTP response. Header names are lower case."""

    status: int
    headers: dict[str, str]

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


def parse_head(data: bytes) -> tuple[ResponseHead, bytes] | None:
    """Return the head at the start of `data`, and what follows it. None: the head is incomplete. Raises Broken."""
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
    return ResponseHead(int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}), data[
        end + 4 :
    ]


class Stream(Protocol):
    """What follows the head of a viewer's connection."""

    @property
    def between_blocks(self) -> bool:
        """Whether no part of a block, chunk or frame is kept, so that what comes next can be understood alone."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the other side has said that nothing follows."""
        ...

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes from the socket. Return the blocks that they complete. Raises Broken."""
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


class EventStreamReader:
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
            text = text.removeprefix(b"\n")  # the rest of a CRLF: its CR has ended the line already
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


class WebSocketReader:
    """What a WebSocket server sends: texts, which are blocks, pings and the close frame."""

    __slots__ = ("_frames", "_replies", "close_code", "ended")

    def __init__(self) -> None:
        self._frames = FromServer()
        self._replies = bytearray()
        self.ended = False
        self.close_code = 1005  # none was given

    @property
    def between_blocks(self) -> bool:
        return not self._frames.is_unfinished

    def feed(self, data: bytes) -> list[bytes]:
        blocks: list[bytes] = []
        try:
            for opcode, payload in self._frames.feed(data):
                assert isinstance(payload, bytes)
                if opcode == TEXT:
                    blocks.append(payload)
                elif self._is_last(opcode, payload):
                    break
        except ProtocolError as error:
            raise Broken(f"no WebSocket frame of a server ({error.code})") from None
        return blocks

    def _is_last(self, opcode: int, payload: bytes) -> bool:
        """Answer a frame that is no text. True: it is the close frame. Raises Broken."""
        if opcode == CLOSE:
            self.ended = True
            if len(payload) >= 2:
                self.close_code = int.from_bytes(payload[:2], "big")
            self._replies += client_frame(payload[:2], opcode=CLOSE)
        elif opcode == PING:
            self._replies += client_frame(payload, opcode=PONG)
        elif opcode != PONG:
            raise Broken(f"a WebSocket frame of opcode {opcode}")
        return self.ended

    def take_replies(self) -> bytes:
        replies = bytes(self._replies)
        self._replies.clear()
        return replies


@dataclass(frozen=True, slots=True)
class RawRequest:
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


def event_stream_request(path: str, *, last_event_id: str = "") -> RawRequest:
    resume = {"Last-Event-ID": last_event_id} if last_event_id else {}
    # With a browser's `text/event-stream` alone, the site answers 200 even if it refuses: see docs/protocol.md.
    return RawRequest("GET", path, {"Accept": "text/event-stream, application/json", **resume})


def websocket_request(path: str, *, origin: str) -> RawRequest:
    return RawRequest(
        "GET",
        path,
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": new_key(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": SUBPROTOCOL,
            "Origin": origin,
        },
    )


_NUMBER = re.compile(rb'"hops":\{[^}]*"n":(\d+)')


def number_of(block: bytes) -> int:
    """Return the number by which to acknowledge a block's frame. 0: it is not to be acknowledged."""
    found = _NUMBER.search(block)
    return int(found[1]) if found else 0
