"""HTTP of the server: Daphne's reader of requests with limits for heads and bodies, and with words for each refusal.

Called by Twisted for each connection and request; it starts the application (realtime.edge.server). A stream's socket
leaves from here (realtime.edge.handoff), and a WebSocket's handshake is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import orjson
from daphne import http_protocol
from twisted.internet import reactor as _reactor
from twisted.internet import tcp
from twisted.web import http

from realtime.edge.application import INBOUND_MAX_FRAMES, SAID_ALL, received
from realtime.edge.handoff import (
    BEHIND,
    EXEMPT,
    WIRE,
    ZERO_COPY,
    Behind,
    PeerGone,
    notice_the_vanished,
    plain,
    tune_stream,
)
from realtime.edge.sockets import Listener, StreamSocket
from realtime.edge.transport import Transport
from realtime.node.connections import Closing
from realtime.websocket import BINARY, TEXT, accept_key, websocket_frame

reactor: Any = _reactor  # Twisted's stubs know it as a module

# RFC 9110, section 5.5. Daphne's own set has 0x85 as well, which is inside UTF-8 of Å, ą, х, م, 全.
http_protocol.INVALID_HEADER_VALUE_BYTES = frozenset(range(32)) - {9} | {127}
ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
LINGER_SECONDS = 2.0
_HTTPChannel: Any = http.HTTPChannel


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
            transport = plain(self.channel and self.channel.transport)
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
            notice_the_vanished(plain(self.channel and self.channel.transport).socket)
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
        channel, transport = self.channel, plain(self.channel and self.channel.transport)
        unread = b"".join(channel._dataBuffer)
        tune_stream(transport.socket)
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
        self.application_queue.put_nowait(received(message))
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
