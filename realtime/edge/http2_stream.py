"""A stream of HTTP/2: what a channel of HTTP/1.1 is to one request.

Made by the connection (realtime.edge.http2) for each request. It tells the request what came, and frames what goes.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import orjson
from daphne import http_protocol
from h2.errors import ErrorCodes
from twisted.web.http_headers import Headers

from realtime.edge.bound import WAITING_MAX_BYTES, cut
from realtime.edge.handoff import notice_vanished_peer
from realtime.edge.http import BAD_REQUEST, HttpChannel, headers_too_large, uri_too_long
from realtime.edge.http2_request import EventWire, Http2Request
from realtime.edge.repeats import OpenFile, Repeat
from realtime.edge.sockets import Listener
from realtime.edge.transport import PIECE_BYTES, ROOM_BYTES
from realtime.limits import Network

OF_CONNECTIONS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
"""Headers that say something of a connection of HTTP/1.1."""
PATH = re.compile(rb"/[^\x00-\x20\x7f]*")
BY_US = (b"server-timing", b"node-h2")
"""So a page sees that no proxy speaks HTTP/2 with it, but we (static/js/core/connection.js)."""
_FRAME_MAX_BYTES = 16_384

HeaderFields = Iterable[tuple[bytes, bytes]]


class Http2Stream:
    """A request's channel, and its transport. Implements realtime.edge.bound.Reader."""

    request: Any = None
    wire: EventWire | None = None  # if it is an event stream
    is_refused = False
    is_whole = False  # the request
    is_last = False  # what is written next is the end of the answer
    is_open = True
    persistent = False  # the connection has an idle time, not we
    _is_at_work = False

    def __init__(self, connection: Any, id: int) -> None:
        self.id = id
        self._id_bytes = id.to_bytes(4, "big")
        self.factory = connection.factory
        self.body_bytes = 0
        self._connection = connection  # realtime.edge.http2.Http2Connection
        self._head_bytes = 0
        self._waiting = b""  # what was written and had no window

    # The request

    def begin(self, headers: HeaderFields, *, is_whole: bool) -> None:
        """Take the head of the request."""
        self.is_whole = is_whole
        pseudo: dict[bytes, bytes] = {}
        fields = []
        for name, value in headers:
            self._head_bytes += len(name) + len(value) + 4
            if name.startswith(b":"):
                pseudo[name] = value
            elif name != b"host" or b":authority" not in pseudo:  # the library has compared them
                fields.append((bytes(name), bytes(value)))
        if b":authority" in pseudo:
            fields.append((b"host", bytes(pseudo[b":authority"])))
        self.method = bytes(pseudo.get(b":method", b""))
        self.path = bytes(pseudo.get(b":path", b""))
        self._connection.head_bytes += self._head_bytes
        if is_whole and self.method == b"GET":
            repeat = self._connection.server.repeats.answer_to(self.path, fields)
            if repeat is not None:
                self._send_again(repeat)
                return
        request = self.request = Http2Request(self)
        length = 0
        for name, value in fields:
            request.requestHeaders.addRawHeader(name, value)
            if name == b"content-length":
                length = int(value)  # the library has read it
        request.gotLength(length)
        if self.is_refused:
            return
        if len(self.path) > HttpChannel.MAX_LENGTH:
            self.refuse(*uri_too_long())
        elif self._head_bytes > HttpChannel.totalHeadersSize or len(fields) > HttpChannel.maxHeaders:
            self.refuse(*headers_too_large())
        elif not self._is_plain() or (is_whole and length):
            self.refuse(*BAD_REQUEST)

    def _is_plain(self) -> bool:
        """Whether method and path are what a request line of HTTP/1.1 can hold."""
        is_path = PATH.fullmatch(self.path) or (self.path == b"*" and self.method == b"OPTIONS")
        return bool(is_path and http_protocol.HEADER_NAME_RE.fullmatch(self.method))

    def start(self) -> None:
        """The request is whole, and it is its turn."""
        self._is_at_work = True
        self._free_body()
        self.request.requestReceived(self.method, self.path, b"HTTP/2")

    def _free_body(self) -> None:
        size, self.body_bytes = self.body_bytes, 0
        self._connection.read_body(size, self.id)

    def _free_head(self) -> None:
        self._connection.head_bytes -= self._head_bytes
        self._head_bytes = 0

    def rest(self) -> None:
        """The application has begun to answer, or has ended. Only the first call counts."""
        if self._is_at_work:
            self._is_at_work = False
            self._connection.rested()

    # What a request needs of its channel, and of that one's transport

    @property
    def transport(self) -> Http2Stream | None:
        return self if self.is_open else None

    @property
    def network(self) -> Network | None:
        network: Network | None = self._connection.network
        return network

    def hold(self, size: int) -> None:
        self._connection.hold(size)

    def exempt(self) -> None:
        self._connection.exempt()

    def getPeer(self) -> Any:
        return self._connection.transport.getPeer()

    def getHost(self) -> Any:
        return self._connection.transport.getHost()

    def isSecure(self) -> bool:
        return True

    def abortConnection(self) -> None:
        self.reset(ErrorCodes.CANCEL)

    abort = forceAbortClient = loseConnection = abortConnection

    def refuse(self, status: int, code: str, detail: str) -> None:
        """Answer a request that is not read further, as `HttpChannel.refuse` does. The others go on."""
        self.is_refused = True
        body = orjson.dumps({"code": code, "detail": detail})
        length = b"%d" % len(body)
        fields = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"content-length", length)]
        request, self.request = self.request, None
        request.connectionLost(None)
        self.send_head(status, fields)
        self.is_last = True
        self.write(body)

    # The answer

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        self.send_head(int(code), ((name, value) for name, values in headers.getAllRawHeaders() for value in values))

    def send_head(self, status: int, headers: HeaderFields) -> None:
        fields = [(b":status", b"%d" % status), BY_US]
        fields += [(low, value) for name, value in headers if (low := name.lower()) not in OF_CONNECTIONS]
        self._connection.h2.send_headers(self.id, fields)
        self._free_head()
        self.rest()

    def window(self) -> int:
        """How many bytes the peer takes now."""
        return int(self._connection.h2.local_flow_control_window(self.id)) if self.is_open else 0

    async def room(self, wanted: int) -> int:
        """Wait until something may be written of so many bytes; return how many. 0: nothing is wanted, or by nobody."""
        connection = self._connection
        if wanted and not (connection.is_free() and self.window() > 0):
            await connection.turn(self)
            while self.is_open and self.window() <= 0:
                await connection.turn(self)
        return min(wanted, PIECE_BYTES, self.window())

    def write(self, data: bytes) -> None:
        """Send. What has no window waits here: of what asked for room, nothing."""
        if data and self.is_open:
            self._waiting = self._waiting + data if self._waiting else data
            self.send_waiting()

    def send_waiting(self) -> None:
        """Send of what waits as much as the peer takes."""
        connection = self._connection
        h2 = connection.h2
        left, window = memoryview(self._waiting), self.window() if connection.has_room else 0
        most = min(h2.max_outbound_frame_size, _FRAME_MAX_BYTES)
        while left and window > 0:
            piece, left = left[: min(most, window)], left[min(most, window) :]
            window -= len(piece)
            connection.took(len(piece))
            h2.send_data(self.id, piece, end_stream=self.is_last and not left)
        self._note(bytes(left))
        if self.is_last and not left:
            self._ended()
        connection.flush()

    def _note(self, left: bytes) -> None:
        bound = self._connection.server.bound
        if len(left) < len(self._waiting):
            bound.forget(self)
        self._waiting = left
        if left:
            self._connection.waiting.add(self)
            bound.waits(self)
        else:
            self._connection.waiting.discard(self)

    def pending_bytes(self) -> int:
        return len(self._waiting)

    async def send_file(self, descriptor: int, start: int, end: int) -> None:
        """Send the bytes of a file from `start` up to `end`. Returns when they were sent, or the stream has ended."""
        at = start
        while at < end and self.is_open:
            size = await self.room(end - at)
            if size and not (data := os.pread(descriptor, size, at)):
                self.reset(ErrorCodes.INTERNAL_ERROR)  # the file is shorter than was promised
            elif size:
                at += len(data)
                self.write(data)

    def _send_again(self, repeat: Repeat) -> None:
        """Answer with a file that was sent before: without a request and an application."""
        repeat.repeatable.count()
        self.send_head(200, repeat.headers)
        if self._connection.is_free() and repeat.size <= min(PIECE_BYTES, self.window()):
            self.is_last = True
            self.write(os.pread(repeat.file.descriptor, repeat.size, 0))
            return
        server = self._connection.server
        server.sending_again.add(self)
        sending = asyncio.ensure_future(self.send_file(repeat.file.descriptor, 0, repeat.size))
        # The file stays open until it was sent.
        sending.add_done_callback(partial(self._sent_again, repeat.file))

    def _sent_again(self, _: OpenFile, __: object) -> None:
        self._connection.server.sent_again(self)
        self.finish()

    def requestDone(self, request: Any) -> None:
        """The request is answered."""
        self.request = None
        self.finish()

    def finish(self) -> None:
        """End the answer, after what waits."""
        if not self.is_open:
            return
        self.is_last = True
        if not self._waiting:
            self._connection.h2.end_stream(self.id)
            self._ended()
            self._connection.flush()

    def _ended(self) -> None:
        """All was sent."""
        if not self.is_whole:
            self._connection.answered_early(self.id)
        self._leave()

    def reset(self, code: ErrorCodes) -> None:
        """End the stream at once."""
        if self.is_open:
            self._connection.h2.reset_stream(self.id, code)
            self._connection.flush()
            self.lost()

    def lost(self) -> None:
        """The stream has ended before its answer did."""
        if self.is_open:
            request = self.request
            self._leave()
            if request is not None:
                request.connectionLost(None)

    def _leave(self) -> None:
        connection, server = self._connection, self._connection.server
        self.is_open = False
        self.request = None
        self._waiting = b""
        self._free_head()
        self._free_body()
        server.request_deadlines.stop(self)
        server.bound.forget(self)
        connection.forget(self)
        if self.wire is not None:
            asyncio.get_running_loop().call_soon(self.wire.listener.gone)

    # Event streams

    def give(self, listener: Listener) -> EventWire:
        """Give the stream to the listener, in place of the request."""
        self.request = None
        self.wire = EventWire(self, listener)
        notice_vanished_peer(self._connection.transport.socket)
        return self.wire

    def put(self, data: bytes) -> None:
        """Write what nobody waits with: if too much waits already, the peer loses the stream."""
        if not self._put_at_once(data):
            self.write(data)
            if self._waiting and self._connection.waiting_bytes() > WAITING_MAX_BYTES:
                cut(self, "full")

    def _put_at_once(self, data: bytes) -> bool:
        """Write one frame of data to the socket, if it can leave now. The library's way costs four times as much."""
        connection, size = self._connection, len(data)
        h2, transport = connection.h2, connection.transport
        if (
            self._waiting
            or not self.is_open
            or not 0 < size <= _FRAME_MAX_BYTES
            or transport.pending_bytes() > ROOM_BYTES
        ):
            return False
        state = h2.streams[self.id]
        if size > h2.outbound_flow_control_window or size > state.outbound_flow_control_window:
            return False
        h2.outbound_flow_control_window -= size
        state.outbound_flow_control_window -= size
        connection.took(size)
        connection.flush()  # the headers, if this comes right after them
        transport.write_at_once(b"%b\0\0%b%b" % (size.to_bytes(3, "big"), self._id_bytes, data))
        return True
