"""The server of a frontend node: Daphne, hardened, handing its sockets to the node.

Hop: the outermost. Daphne's own loops walk all connections every second, die of one exception, and say goodbye to
nobody (research in docs/how-it-works.md); here an application's end is an event, a stop is a drain, bodies, headers
and waiting frames are bounded, and each stream's socket is reachable through `scope["extensions"]["live.wire"]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import re
import socket
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import orjson
from daphne import http_protocol, server, ws_protocol
from twisted.internet import defer, tcp
from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import serverFromString
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure
from twisted.web import http

from realtime import metrics
from realtime.edge.bound import STALL_MAX_SECONDS, Bound
from realtime.edge.sockets import CLOSE_SECONDS, MESSAGE_SECONDS, Listener, Sockets, StreamSocket
from realtime.edge.transport import PIECE_BYTES, Transport, pending_bytes
from realtime.limits import CONNECTIONS_MAX, Limited, RateLimit, network_of
from realtime.node.connections import HEARTBEAT_SECONDS, Closing
from realtime.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Inbound,
    ProtocolError,
    accept_key,
    close_code,
    websocket_frame,
)

logger = logging.getLogger(__name__)
reactor: Any = _reactor  # Twisted's stubs know it as a module

# RFC 9110, section 5.5. Daphne's own set has 0x85 as well, which is inside UTF-8 of Å, ą, х, م, 全.
http_protocol.INVALID_HEADER_VALUE_BYTES = frozenset(range(32)) - {9} | {127}
ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
BODY_MAX_BYTES = 64 * 1024
COLLECT_SECONDS = 10.0
COLLECT_ALL_SECONDS = 3_600.0
SWEEP_SECONDS = 0.2
LAG_SECONDS = 0.05
REST_SECONDS = 0.05
LINGER_SECONDS = 2.0
CONNECTS_BURST = 20
INBOUND_MAX_FRAMES = 64
CLOSE_TIMEOUT_SECONDS = 10.0
STREAM_BUFFER_BYTES = 64 * 1024  # of the kernel, for one viewer: with the mailbox it bounds what a slow one costs
_server_from: Any = serverFromString
_HTTPChannel: Any = http.HTTPChannel
# A peer that vanished without a FIN is noticed that long after an unanswered heartbeat, which comes every 15 s: it is
# gone for everybody within 45 s, what a node takes to tell others included.
USER_TIMEOUT_MS = 20_000
SAID_ALL = "live.said_all"  # in the queue of an application, which does not see it: the client says no more
WIRE = "live.wire"  # called with a Listener (realtime.edge.sockets) it gives the connection's StreamSocket
EXEMPT = "live.exempt"  # called, the connection does not count in the limit of its address
BEHIND = "live.behind"  # where there is no WIRE: what Twisted holds back (`Behind`)
ZERO_COPY = "http.response.zerocopysend"  # ASGI's own extension: the kernel sends a file


class PeerGone(Exception):
    """The peer left before its stream began."""


def _tune_stream(sock: socket.socket) -> None:
    """Set the socket options of a long-lived stream: small buffers, no Nagle, quick notice of a vanished peer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
    _notice_the_vanished(sock)


def _notice_the_vanished(sock: socket.socket) -> None:
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def _plain(transport: Any) -> Any:
    """Return the TCP transport under a TLS one, or the transport itself. Raises PeerGone."""
    while transport is not None and not isinstance(transport, tcp.Connection):
        transport = transport.transport
    if transport is None or not transport.connected:
        raise PeerGone
    return transport


class Behind:
    """The connection behind an application that cannot have the socket: TLS, HTTP/2, HTTP/1.0."""

    def __init__(self, transport: Callable[[], Any]) -> None:
        self._transport = transport

    def pending_bytes(self) -> int:
        """Return what was written and waits in Twisted's buffers for a slow peer. Raises PeerGone."""
        return pending_bytes(_plain(self._transport()))

    def abort(self) -> None:
        """Drop the connection at once."""
        with contextlib.suppress(PeerGone):
            _plain(self._transport()).abortConnection()


class Channel(_HTTPChannel):  # type: ignore[misc]
    """Twisted's reader of requests, with words where that one closes or says a bare status line."""

    is_refused = False
    network = ""  # of the peer, where connections are counted by address

    def exempt(self) -> None:
        if self.network:
            self.factory.server.connects.give_back(self.network)

    def refuse(self, status: int, code: str, detail: str) -> None:
        """Answer what cannot be read further, then drop what still comes for a moment.

        Closing over unread data would take the answer back.
        """
        self.is_refused = True
        self.setRawMode()
        body = orjson.dumps({"code": code, "detail": detail})
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (status, PHRASES[status], len(body), body)
        )
        if isinstance(self.transport, tcp.Connection) and not self.transport.TLS:
            self.transport.loseWriteConnection()  # type: ignore[no-untyped-call]
        reactor.callLater(LINGER_SECONDS, lambda: self.transport and self.transport.loseConnection())

    def rawDataReceived(self, data: bytes) -> None:
        if not self.is_refused:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        if hasattr(self, "_path"):
            self._refuse_headers()
        else:
            self.refuse(414, "uri_too_long", f"An address may have {self.MAX_LENGTH} bytes at most.")

    def _refuse_headers(self) -> None:
        detail = (
            f"The headers of a request may have {self.totalHeadersSize} bytes and be {self.maxHeaders} at most."
            " In a browser, remove this site's cookies."
        )
        self.refuse(431, "headers_too_large", detail)

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self.is_refused:
            return
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self._refuse_headers()
        else:
            self.refuse(400, "bad_request", "This is no HTTP request.")

    def _send100Continue(self) -> None:
        if not self.is_refused:
            super()._send100Continue()


class WebRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """Daphne's request with a limit for the body, a deadline for the headers, and no way to end the server.

    A stream's socket can be taken from it; a WebSocket's handshake is done here.
    """

    channel: Any
    transport: Any
    application_queue: Any
    uri: bytes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Forms are Django's to read; Twisted answers a bad one with a bare status line.
        super().__init__(*args, **kwargs, parsePOSTFormSubmission=False)
        self.is_websocket = False
        self.socket: Any = None  # the StreamSocket, once the descriptor was taken from Twisted
        self._body_bytes = 0
        self.server.idle_deadlines.stop(self.channel)
        self.server.request_deadlines.start(self.channel)

    def gotLength(self, length: int | None) -> None:
        most = self.server.body_max_bytes
        super().gotLength(length if length is None or length <= most else 0)
        if length is not None and length > most:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self.channel.is_refused:
            return
        if self._body_bytes > self.server.body_max_bytes:
            self._refuse_body()
        else:
            super().handleContentChunk(data)

    def _refuse_body(self) -> None:
        self.channel.refuse(413, "too_large", f"A request body may have {self.server.body_max_bytes} bytes at most.")

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        super().setResponseCode(code, message or PHRASES.get(code))

    def process(self) -> Any:
        if self.channel.is_refused:
            return None
        self.server.request_deadlines.stop(self.channel)
        self.requestHeaders.removeHeader(b"daphne-root-path")  # any client could set it
        self._take_absolute_form()
        if b"websocket" in (token.strip() for token in self._header(b"upgrade").lower().split(b",")):
            if self.clientproto == b"HTTP/1.0":
                return self.basic_error(400, b"Bad Request", "A WebSocket needs HTTP/1.1.")
            if self._may_part:
                return self._handshake()
            self._hide_line_ends()
        if hasattr(self.channel.transport, "setTcpNoDelay"):
            self.channel.transport.setTcpNoDelay(True)
        return super().process()

    def _take_absolute_form(self) -> None:
        """Read `GET http://host/path`, as for a proxy, like `GET /path` with that Host (RFC 9112, 3.2.2)."""
        if not (found := ABSOLUTE.match(self.uri)):
            return
        rest = self.uri[found.end() :]
        self.uri = rest if rest.startswith(b"/") else b"/" + rest
        self.path = self.uri.partition(b"?")[0]
        if len(self.requestHeaders.getRawHeaders(b"host", ())) == 1:  # none, or two, are refused as ever
            self.requestHeaders.setRawHeaders(b"host", [found[1]])

    def _hide_line_ends(self) -> None:
        """Autobahn reads headers as text, where 0x85 ends a line: what follows it would be a header of its own."""
        for name, values in list(self.requestHeaders.getAllRawHeaders()):
            self.requestHeaders.setRawHeaders(name, [value.replace(b"\x85", b"?") for value in values])

    def finish(self) -> None:
        channel = self.channel
        # Before Twisted reads on: what it has read already may be the next request.
        if channel is not None and getattr(channel, "persistent", False):
            self.server.idle_deadlines.start(channel)
        super().finish()

    def handle_exception(self, exception: BaseException) -> None:
        """The application failed: say 500, or cut the stream if it has begun. It must not reach the server."""
        if self.socket is not None:
            self.socket.end(Closing.FAILED.value) if self.is_websocket else self.socket.abort()
        elif self.channel is None:
            pass
        elif not self._response_started:
            super().handle_exception(exception)
        else:
            self.channel.forceAbortClient()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answer for the protocol itself and for an application that failed, in the form of all errors.

        The connection ends with it: what follows a request that could be read in two ways cannot be trusted.
        """
        if self.channel is not None:
            self.channel.persistent = False
        code = {400: b"bad_request", 403: b"forbidden", 426: b"upgrade_required"}.get(status, b"internal")
        headers = [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"), (b"Connection", b"close")]
        if status == 426:
            headers.append((b"Sec-WebSocket-Version", b"13"))
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        detail = b'{"code":"%b","detail":"%b"}' % (code, body.encode())
        self.handle_reply({"type": "http.response.body", "body": detail})

    def check_timeouts(self) -> None:
        """Nothing to check: `Deadlines` are swept by themselves."""

    # What is larger than a line

    async def room(self) -> None:
        """Wait until the peer has taken most of what was written to it, or has gone."""
        with contextlib.suppress(PeerGone):
            transport = _plain(self.channel and self.channel.transport)
            if isinstance(transport, Transport):
                await transport.room()

    async def send_file(self, message: dict[str, Any]) -> None:
        """Send a part of a file as the body, or what is left of it: ASGI's zero-copy send."""
        if self.channel is None or self.finished:
            return
        descriptor, start = message["file"].fileno(), message.get("offset") or 0
        count = message.get("count")
        end = os.fstat(descriptor).st_size if count is None else start + count
        self.write(b"")  # the headers
        await self.channel.transport.send_file(descriptor, start, end)
        if not message.get("more_body", False):
            self.handle_reply({"type": "http.response.body"})

    # Streams

    @property
    def _may_part(self) -> bool:
        """Whether the socket can be taken from Twisted: no TLS, no HTTP/2, and chunks are understood."""
        transport = self.channel and self.channel.transport
        return isinstance(transport, tcp.Connection) and not transport.TLS and self.clientproto == b"HTTP/1.1"

    def extensions(self) -> dict[str, Any]:
        """Return what the application may use besides ASGI: the socket itself, or what waits in Twisted's buffers."""
        if self._may_part:
            can_send_files = isinstance(self.channel.transport, Transport)
            return {
                WIRE: self._give_socket,
                EXEMPT: self.channel.exempt,
                **({ZERO_COPY: {}} if can_send_files else {}),
            }
        with contextlib.suppress(PeerGone):
            _notice_the_vanished(_plain(self.channel and self.channel.transport).socket)
        return {BEHIND: Behind(lambda: self.channel and self.channel.transport)}

    def _give_socket(self, listener: Listener) -> StreamSocket:
        """Hand over the connection: an event stream's before its answer, a WebSocket's once it is accepted.

        Raises PeerGone.
        """
        if self.socket is None:
            if self.is_websocket:
                raise PeerGone
            descriptor, _ = self._part()
            self.socket = self.server.sockets.adopt(descriptor, listener, is_sse=True)
        adopted: StreamSocket = self.socket
        if adopted.descriptor < 0:
            raise PeerGone
        adopted.listener = listener
        return adopted

    def _part(self) -> tuple[int, bytes]:
        """Take the socket from Twisted and Daphne, which forget everything about it; return it and what was unread.

        Raises PeerGone.
        """
        channel, transport = self.channel, _plain(self.channel and self.channel.transport)
        unread = b"".join(channel._dataBuffer)
        _tune_stream(transport.socket)
        self.server.request_deadlines.stop(channel)
        self.server.bound.forget(transport)
        channel._networkProducer.unregisterProducer()
        transport.stopReading()
        transport.stopWriting()
        descriptor: int = transport.socket.detach()
        transport.connected, transport.disconnected = False, True
        # What points at each other would wait for the cyclic collector, thousands of times.
        transport.protocol = channel.transport = channel._networkProducer = self.channel = self.transport = None
        channel.requests.clear()
        self.application_queue = None
        self.server.forget(self)
        return descriptor, unread

    # WebSocket: the handshake. Behind TLS it is Daphne's and Autobahn's instead.

    def _header(self, name: bytes) -> bytes:
        """Return the values of a header as one, empty when there is none."""
        return b",".join(self.requestHeaders.getRawHeaders(name, ()))

    def _handshake(self) -> None:
        """Say what is wrong with the request, or ask the application."""
        raw_headers = list(self.requestHeaders.getAllRawHeaders())
        try:
            if not all(
                http_protocol.HEADER_NAME_RE.fullmatch(name)
                and not any(http_protocol.INVALID_HEADER_VALUE_BYTES.intersection(value) for value in values)
                for name, values in raw_headers
            ):
                raise ValueError("a header that is none")
            if self.method != b"GET" or b"upgrade" not in self._header(b"connection").lower():
                raise ValueError("no upgrade")
            self.uri.decode("ascii")
            self._accept_key = accept_key(self._header(b"sec-websocket-key").strip())
        except ValueError:
            self.basic_error(400, b"Bad Request", "This is no WebSocket handshake.")
            return
        if self._header(b"sec-websocket-version").strip() != b"13":
            self.basic_error(426, b"Upgrade Required", "This is WebSocket version 13.")
            return
        self.server.request_deadlines.start(self.channel)
        offered = self._header(b"sec-websocket-protocol").decode("latin1").split(",")
        self.is_websocket = True
        self.client_addr = [self.client.host, self.client.port]
        self.application_queue = self.server.create_application(
            self,
            {
                "type": "websocket",
                "path": unquote(self.path.decode("ascii")),
                "raw_path": self.path,
                "root_path": self.server.root_path,
                "scheme": "ws",
                "query_string": self.uri.partition(b"?")[2],
                "headers": [
                    (name.lower(), value) for name, values in raw_headers if b"_" not in name for value in values
                ],
                "client": self.client_addr,
                "server": [self.host.host, self.host.port],
                "subprotocols": [name.strip() for name in offered if name.strip()],
            },
        )
        if self.application_queue is not None:
            self.application_queue.put_nowait({"type": "websocket.connect"})

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"].startswith("http."):
            super().handle_reply(message)
            return
        match message["type"]:
            case "websocket.accept" if self.socket is None and self.channel is not None:
                self._accept(message.get("subprotocol"))
            case "websocket.close" if self.socket is None and self.channel is not None:
                self.server.request_deadlines.stop(self.channel)
                self.basic_error(403, b"Forbidden", "The handshake was refused.")
            case "websocket.close" if self.socket is not None:
                self.socket.end(message.get("code") or 1000)
            case "websocket.send" if self.socket is not None:
                text = message.get("text")
                payload, opcode = (message["bytes"], BINARY) if text is None else (text.encode(), TEXT)
                self.socket.put(websocket_frame(payload, opcode=opcode))

    def _accept(self, subprotocol: str | None) -> None:
        queue = self.application_queue
        descriptor, unread = self._part()
        self.application_queue = queue
        self.socket = self.server.sockets.adopt(descriptor, self, is_sse=False)
        self.socket.put(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n"
            % self._accept_key
            + (b"Sec-WebSocket-Protocol: %b\r\n" % subprotocol.encode("latin1") if subprotocol else b"")
            + b"\r\n"
        )
        if unread:
            asyncio.get_running_loop().call_soon(self.socket.take, unread)

    # Listener: an application that leaves its WebSocket to the server is told of messages as ASGI has it.

    def received(self, message: str | bytes) -> None:
        self.application_queue.put_nowait(_received(message))
        if self.application_queue.qsize() > INBOUND_MAX_FRAMES:
            self.socket.pause()

    def said_all(self, goodbye: Callable[[], None]) -> None:
        self.application_queue.put_nowait({"type": SAID_ALL, "goodbye": goodbye})

    def took_one(self) -> None:
        """The application took a message: read on when it has caught up."""
        if self.socket is not None and self.application_queue.qsize() <= INBOUND_MAX_FRAMES // 4:
            self.socket.resume()

    def filled(self) -> None:
        """Nobody but the socket writes."""

    def gone(self) -> None:
        self.application_queue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def send_disconnect(self) -> None:
        if self.is_websocket:
            self.gone()
        else:
            super().send_disconnect()


class HTTPFactory(http_protocol.HTTPFactory):  # type: ignore[misc]
    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.protocol = lambda: http._GenericHTTPChannelProtocol(Channel())
        self.timeOut = None  # `Deadlines` instead

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.server.sockets) >= self.server.crowded_at:
            self.server.rest()
        network = self.server.network_of(addr)
        if network:
            try:
                self.server.connects.take(network)
            except Limited:
                metrics.refused.labels("too_many_connects").inc()
                return None
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = WebRequest
        channel = protocol._channel
        channel.network = network
        self.server.request_deadlines.start(channel)
        return protocol


class Deadlines:
    """Connections that are dropped unless something happens within the time, the same for all. `spares`: not this one.

    So the first that began is the first to end, and no timer is needed for each. Twisted's own idle time starts again
    with each byte: a line that never ends would hold the connection for ever.
    """

    def __init__(self, seconds: float, *, spares: Callable[[Any], bool] = lambda channel: False) -> None:
        self._seconds = seconds
        self._spares = spares
        # By weak reference: most connections end long before, and must not be kept for it.
        self._due: dict[weakref.ref[Any], float] = {}

    def start(self, channel: Any) -> None:
        """Begin, or begin again."""
        self.stop(channel)
        self._due[weakref.ref(channel)] = time.monotonic() + self._seconds

    def stop(self, channel: Any) -> None:
        self._due.pop(weakref.ref(channel), None)

    def note(self, channel: Any, *, has_come: bool, is_unfinished: bool) -> None:
        """Give what has begun its time; what came before it had its own."""
        if has_come or not is_unfinished:
            self.stop(channel)
        if is_unfinished and weakref.ref(channel) not in self._due:
            self.start(channel)

    def waiting(self, seconds: float) -> Iterator[Any]:
        """Yield those that have waited for so long already, longest first."""
        before = time.monotonic() + self._seconds - seconds
        for reference, due in list(self._due.items()):
            if due > before:
                return
            if (channel := reference()) is not None and channel.transport is not None:
                yield channel

    def sweep(self) -> None:
        """Drop those whose time is up."""
        now = time.monotonic()
        while self._due:
            reference, due = next(iter(self._due.items()))
            channel = reference()
            if channel is not None and due > now:
                return
            del self._due[reference]
            if channel is None or channel.transport is None:
                continue
            if self._spares(channel):
                self.start(channel)
            else:
                channel.transport.abortConnection()


def _still_reads(channel: Any) -> bool:
    """Whether the peer still takes the last answer: for how long is the bound's to say."""
    with contextlib.suppress(PeerGone):
        return pending_bytes(_plain(channel.transport)) > 0
    return False


class WebSocketProtocol(ws_protocol.WebSocketProtocol):  # type: ignore[misc]
    """Daphne's WebSocket, behind TLS: Autobahn does its handshake, pings and writing. What comes is read as everywhere,
    and what waits for the application is bounded.
    """

    _is_paused = False
    data: bytes

    def connectionMade(self) -> None:
        super().connectionMade()
        self._inbound: Inbound | None = Inbound()

    def consumeData(self) -> None:
        if self.state == self.STATE_CONNECTING:
            super().consumeData()
            return
        data, self.data = self.data, b""
        if self._inbound is None or self.state == self.STATE_CLOSED or not data:
            return
        if self.autoPingTimeoutCall:
            self._cancelAutoPingTimeoutCall()
        has_come = False
        try:
            for opcode, payload in self._inbound.feed(data):
                has_come |= opcode < CLOSE
                if opcode == CLOSE and isinstance(payload, bytes):
                    self._hear_no_more(close_code(payload), is_reply=True)
                    return
                if self.state == self.STATE_OPEN:
                    self._take(opcode, payload)
            self.server.message_deadlines.note(self, has_come=has_come, is_unfinished=self._inbound.is_unfinished)
        except ProtocolError as error:
            self._hear_no_more(error.code)

    def sendPing(self, payload: bytes | None = None) -> None:
        super().sendPing(payload)
        if self._inbound is not None:
            self._inbound.extras = 0

    def _take(self, opcode: int, payload: str | bytes) -> None:
        if opcode == PING:
            self.sendPong(payload)
        elif opcode != PONG:
            self.application_queue.put_nowait(_received(payload))
        if not self._is_paused and self.application_queue.qsize() > INBOUND_MAX_FRAMES:
            self._is_paused = True
            self.transport.pauseProducing()

    def took_one(self) -> None:
        """The application took a frame: read on when it has caught up."""
        if self._is_paused and self.application_queue.qsize() <= INBOUND_MAX_FRAMES // 4:
            self._is_paused = False
            self.transport.resumeProducing()

    def handle_exception(self, exception: BaseException) -> None:
        if hasattr(self, "handshake_deferred"):
            super().handle_exception(exception)
        else:
            self.serverClose(code=Closing.FAILED.value)

    def _hear_no_more(self, code: int, *, is_reply: bool = False) -> None:
        """As StreamSocket has it."""
        self._inbound = None
        goodbye = partial(self._say_goodbye, code, is_reply=is_reply)
        reactor.callLater(CLOSE_SECONDS, goodbye)
        self.application_queue.put_nowait({"type": SAID_ALL, "goodbye": goodbye})
        if self.state == self.STATE_CLOSING:
            goodbye()

    def _say_goodbye(self, code: int, *, is_reply: bool) -> None:
        self.wasClean = is_reply
        self.serverClose(code)
        if is_reply:
            self.dropConnection(abort=False)

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send" and self.state != self.STATE_CONNECTING:
            # Daphne sends no empty message.
            text = message.get("text")
            self.serverSend(*((message["bytes"], True) if text is None else (text, False)))
        else:
            super().handle_reply(message)

    def serverClose(self, code: int | None = None) -> None:
        """Close with any code. Autobahn's `sendClose` takes an application's own only: not 1003, 1011, 1012."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else code)

    def check_timeouts(self) -> None:
        """Nothing to check: the handshake and the pings have timers of their own."""

    def extensions(self) -> dict[str, Any]:
        return {BEHIND: Behind(lambda: self.transport)}


class WebSocketFactory(ws_protocol.WebSocketFactory):  # type: ignore[misc]
    protocol = WebSocketProtocol


class Server(server.Server):  # type: ignore[misc]
    """Daphne's server, event-driven, with a drain in place of its sudden end.

    `on_start` runs on the loop before the first connection, `on_drain` when the process is told to stop: all
    connections are still there, no new one comes. A request has to be there, body and all, within `request_seconds`;
    the next one on the same connection has to begin within `idle_seconds`. Requests that are still being answered at
    the end of the drain have `finish_seconds`.
    """

    body_max_bytes = BODY_MAX_BYTES
    request_seconds = 10.0
    idle_seconds = 60.0
    finish_seconds = 5.0
    stall_seconds = STALL_MAX_SECONDS
    on_start: Callable[[], Awaitable[None]] | None = None
    on_drain: Callable[[], Awaitable[None]] | None = None
    trusted_proxies = 0
    connects_per_address: int | None = None  # a second, and twenty times as many at once; None: no limit
    idle_per_address: int | None = None
    young_seconds = 2.0  # a crowd that has just come is none that does nothing
    crowded_at = CONNECTIONS_MAX * 9 // 10

    def run(self) -> None:
        self.connections: dict[Any, dict[str, Any]] = {}
        self._applications: set[asyncio.Future[Any]] = set()
        self.ports: list[Any] = []
        self.request_deadlines = Deadlines(self.request_seconds)
        self.idle_deadlines = Deadlines(self.idle_seconds, spares=_still_reads)
        self.message_deadlines = Deadlines(MESSAGE_SECONDS, spares=lambda protocol: bool(protocol._is_paused))
        self.bound = Bound(stall_seconds=self.stall_seconds)
        per_second = self.connects_per_address or 0
        self.connects = RateLimit(burst=CONNECTS_BURST * per_second, per_second=per_second)
        self.http_factory = HTTPFactory(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.setProtocolOptions(
            autoPingInterval=HEARTBEAT_SECONDS,
            autoPingTimeout=HEARTBEAT_SECONDS,
            allowNullOrigin=True,  # the consumer checks origins, and says so in words
            openHandshakeTimeout=self.websocket_handshake_timeout,
        )
        observers: list[Any] = [_log_failure]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False, discardBuffer=True)
        loop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        self._start_task = loop.create_task(self._start())
        reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        reactor.run(installSignalHandlers=self.signal_handlers)

    async def _start(self) -> None:
        self.sockets = Sockets(self.bound)
        self._chores = [asyncio.ensure_future(chore()) for chore in (self._collect, self._sweep, self._watch_lag)]
        try:
            if self.on_start is not None:
                await self.on_start()
        except Exception:
            logger.exception("the node could not start")
            self.stop()
            return
        for description in self.endpoints:
            listening = _server_from(reactor, _with_backlog(str(description))).listen(self.http_factory)
            listening.addCallback(self.listen_success)
            listening.addErrback(self.listen_error)

    def rest(self) -> None:
        """Accept nobody for a moment: nodes that share the listening socket and have more room go first."""
        for port in self.ports:
            port.stopReading()
        reactor.callLater(REST_SECONDS, self._accept_again)

    def _accept_again(self) -> None:
        for port in self.ports:
            if port.connected:  # not since the drain has begun
                port.startReading()

    async def _watch_lag(self) -> None:
        """Measure how late the loop comes back to who waits: nobody's frame should be the reason."""
        while True:
            due = time.monotonic() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            metrics.loop_lag_seconds.observe(max(0.0, time.monotonic() - due))

    async def _sweep(self) -> None:
        while True:
            self.request_deadlines.sweep()
            self.idle_deadlines.sweep()
            self.message_deadlines.sweep()
            self.bound.sweep()
            self.sockets.sweep()
            self._close_excess()
            await asyncio.sleep(SWEEP_SECONDS)

    def network_of(self, peer: Any) -> str:
        """Return what a connection is counted by; empty: it is not, for it is not limited or a proxy's of our own."""
        if self.connects_per_address is None or self.trusted_proxies:
            return ""
        return network_of(getattr(peer, "host", ""))

    def _close_excess(self) -> None:
        """Of one address, keep so many connections that wait for a request: those that have waited least."""
        if self.idle_per_address is None:
            return
        waiting: dict[str, list[Any]] = {}
        for deadlines in (self.request_deadlines, self.idle_deadlines):
            for channel in deadlines.waiting(self.young_seconds):
                if getattr(channel, "network", ""):
                    waiting.setdefault(channel.network, []).append(channel)
        for channels in waiting.values():
            for channel in channels[: max(0, len(channels) - self.idle_per_address)]:
                metrics.refused.labels("too_many_idle").inc()
                channel.transport.abortConnection()

    async def _collect(self) -> None:
        """Run Python's cyclic collector on our own terms: it would walk every live connection again and again.

        By itself it looks at young objects only. Every `COLLECT_SECONDS` what came since is looked at once; what has
        survived is walked again once an hour, and only when there are no streams (they end without cycles).
        """
        gc.set_threshold(50_000, 20, 1_000_000)
        gc.callbacks.append(_observe_collector)
        walked_at = time.monotonic()
        while True:
            if not len(self.sockets) and time.monotonic() - walked_at > COLLECT_ALL_SECONDS:
                walked_at = time.monotonic()
                gc.unfreeze()
            gc.collect()
            gc.freeze()
            await asyncio.sleep(COLLECT_SECONDS)

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        if getattr(port, "transport", None) is tcp.Server:
            port.transport = partial(Transport, self.bound)
        super().listen_success(port)

    def listen_error(self, failure: Failure) -> None:
        self.abort_start = True
        super().listen_error(failure)

    def _stop(self) -> Any:
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        for port in self.ports:
            port.stopListening()
        if self.on_drain is not None:
            try:
                await self.on_drain()
            except Exception:
                logger.exception("the drain failed")
        applications = set(self._applications)
        if applications:
            await asyncio.wait(applications, timeout=self.finish_seconds)
        for task in applications:
            task.cancel()
        await asyncio.sleep(0.05)  # close frames and last chunks leave the sockets

    # One connection's application

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[Any] | None:
        """Start the application for a request or WebSocket; its end is an event (`_application_done`)."""
        details = self.connections.get(protocol)
        if details is None:
            return None
        scope["asgi"] = {"version": "3.0"}
        scope["extensions"] = protocol.extensions()
        self._look_behind_proxies(scope)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        receive: Callable[[], Awaitable[Any]] = queue.get
        if scope["type"] == "websocket":
            receive = partial(_receive, queue, protocol.took_one)
        application = self.application(scope=scope, receive=receive, send=partial(self.handle_reply, protocol))
        task = asyncio.ensure_future(application)
        details["application_instance"] = task
        self._applications.add(task)
        task.add_done_callback(partial(self._application_done, protocol))
        return queue

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if getattr(protocol, "socket", None) is not None:
            protocol.handle_reply(message)  # Daphne has forgotten it
        elif message["type"] == ZERO_COPY:
            await protocol.send_file(message)
        elif message["type"] == "http.response.body":
            await self._send_body(protocol, message)
        else:
            await super().handle_reply(protocol, message)

    async def _send_body(self, protocol: Any, message: dict[str, Any]) -> None:
        """Write a body as its reader takes it: what has not been read waits in the application, once."""
        body, more = memoryview(message.get("body", b"")), message.get("more_body", False)
        while True:
            await protocol.room()
            piece, body = bytes(body[:PIECE_BYTES]), body[PIECE_BYTES:]
            await super().handle_reply(protocol, {**message, "body": piece, "more_body": more or bool(body)})
            if not body:
                return

    def _application_done(self, protocol: Any, task: asyncio.Future[Any]) -> None:
        self._applications.discard(task)
        details = self.connections.get(protocol, {})
        details.pop("application_instance", None)
        if (killer := details.pop("killer", None)) is not None and killer.active():
            killer.cancel()
        is_gone = "disconnected" in details
        if is_gone:
            self.connections.pop(protocol, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("application failed: %s", error, exc_info=error)
        if not is_gone:
            try:
                protocol.handle_exception(error)
            except Exception:
                logger.exception("a connection could not be told of its failure")

    def forget(self, protocol: Any) -> None:
        """The connection's socket was taken from it: it will end without us."""
        self.connections.pop(protocol, None)

    def protocol_disconnected(self, protocol: Any) -> None:
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        details["disconnected"] = time.monotonic()
        task = details.get("application_instance")
        if task is None:
            del self.connections[protocol]
        else:
            details["killer"] = reactor.callLater(CLOSE_TIMEOUT_SECONDS, task.cancel)

    def _look_behind_proxies(self, scope: dict[str, Any]) -> None:
        """Take the client's address from the proxies of our own, counted from the right; the rest is hearsay."""
        if not self.trusted_proxies:
            return
        hops: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                hops += value.decode("latin1").split(",")
            elif name == b"x-forwarded-proto" and value in (b"http", b"https"):
                secure = value == b"https"
                scope["scheme"] = {"http": ("http", "https"), "websocket": ("ws", "wss")}[scope["type"]][secure]
        if len(hops) >= self.trusted_proxies:
            try:
                scope["client"] = [str(ipaddress.ip_address(hops[-self.trusted_proxies].strip())), 0]
            except ValueError:
                logger.debug("X-Forwarded-For holds no address")


_collector_began = 0.0


def _observe_collector(phase: str, info: dict[str, int]) -> None:
    global _collector_began
    if phase == "start":
        _collector_began = time.monotonic()
    else:
        metrics.collector_seconds.observe(time.monotonic() - _collector_began)


def _received(message: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}


async def _receive(queue: asyncio.Queue[Any], took_one: Callable[[], None]) -> Any:
    """Return the next event. Who asks for one has answered what came before."""
    while True:
        message = await queue.get()
        took_one()
        if message["type"] != SAID_ALL:
            return message
        # Behind what the application has given to a task of its own to send.
        asyncio.get_running_loop().call_soon(message["goodbye"])


def _with_backlog(description: str) -> str:
    # Twisted's default of 50 drops the SYNs of a crowd; each comes back a second later.
    has_none = description.startswith("tcp:") and "backlog" not in description
    return f"{description}:backlog=4096" if has_none else description


def _log_failure(event: dict[str, Any]) -> None:
    """Twisted's own log: only its failures are ours to know."""
    if (failure := event.get("log_failure")) is not None:
        error = (failure.type, failure.value, failure.getTracebackObject())
        logger.error("%s", failure.getErrorMessage(), exc_info=error)
