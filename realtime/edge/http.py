"""HTTP of the server: Daphne's reader of requests, with limits for heads and bodies, and a reason for each refusal.

Called by Twisted for each connection and request; it starts the application (realtime.edge.server). The socket of an
event stream leaves from here (realtime.edge.handoff). WebSockets are requests too (realtime.edge.upgrade).
"""

from __future__ import annotations

import contextlib
import os
import re
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from daphne import http_protocol
from twisted.internet import tcp
from twisted.web import http

from realtime.edge.handoff import (
    BEHIND,
    EXEMPT,
    WIRE,
    ZERO_COPY,
    Behind,
    PeerGone,
    Taken,
    notice_vanished_peer,
    take_socket,
    tcp_transport,
)
from realtime.edge.reactor import reactor
from realtime.edge.repeats import OpenFile, Repeat, Repeatable, said_by
from realtime.edge.sockets import Listener, StreamSocket
from realtime.edge.tls import CLIENT_HELLO
from realtime.edge.transport import PIECE_BYTES, Transport
from realtime.limits import Network

# RFC 9110, section 5.5. Daphne's own set has 0x85 as well, which is inside UTF-8 of Å, ą, х, م, 全.
http_protocol.INVALID_HEADER_VALUE_BYTES = frozenset(range(32)) - {9} | {127}
ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
LINGER_SECONDS = 2.0
GONE = (401, 403, 404, 410)
"""With these the application says that an answer of before does not hold any more."""
BAD_REQUEST = (400, "bad_request", "This is no HTTP request.")
_HTTPChannel: Any = http.HTTPChannel


def headers_too_large() -> tuple[int, str, str]:
    detail = (
        f"The headers of a request may have {HttpChannel.totalHeadersSize} bytes and be {HttpChannel.maxHeaders} at"
        " most. In a browser, remove this site's cookies."
    )
    return 431, "headers_too_large", detail


def uri_too_long() -> tuple[int, str, str]:
    return 414, "uri_too_long", f"An address may have {HttpChannel.MAX_LENGTH} bytes at most."


class HttpChannel(_HTTPChannel):  # type: ignore[misc]
    """Twisted's reader of requests. Twisted closes, or sends a bare status line; this one gives a reason."""

    is_refused = False
    network: Network | None = None  # of the peer, if connections are counted by address

    def exempt(self) -> None:
        if self.network:
            self.factory.server.peer_limits.give_back(self.network)

    def refuse(self, status: int, code: str, detail: str) -> None:
        """Answer a request that cannot be read further. Then drop for a moment what still comes.

        Closing while data is unread would discard the answer.
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

    def dataReceived(self, data: bytes) -> None:
        # Between two requests, with nothing of the next one read.
        if self.line_mode and self.persistent and not self._buffer and not self.requests:
            repeat = self.factory.server.repeats.find(data)
            if repeat is not None and isinstance(self.transport, Transport):
                self._send_again(repeat)
                return
            if data.startswith(CLIENT_HELLO):  # nothing that ends a line would come after it
                self.refuse(400, "bad_request", "This port speaks HTTP, not HTTPS.")
                return
        super().dataReceived(data)

    def _send_again(self, repeat: Repeat) -> None:
        """Answer a request that was not read: what comes after it waits, as for any answer."""
        server = self.factory.server
        server.request_deadlines.stop(self)
        server.idle_deadlines.stop(self)
        self._handlingRequest = True
        self.setRawMode()
        repeat.repeatable.count()
        self.transport.write_now(repeat.head)
        # The file stays open until it was sent.
        server.sending_again.add(self)
        sent = partial(self._sent_again, repeat)
        self.transport.start_file(repeat.file.descriptor, 0, repeat.size, sent)

    def _sent_again(self, _: Repeat) -> None:
        self.factory.server.sent_again(self)
        if self.transport is None or not self.transport.connected:
            return
        self._handlingRequest = False
        self.factory.server.idle_deadlines.start(self)
        unread = b"".join(self._dataBuffer)
        self._dataBuffer.clear()
        if unread and not self._waitingForTransport:
            self._networkProducer.resumeProducing()
        self.setLineMode(unread)

    def lineLengthExceeded(self, line: bytes) -> None:
        if hasattr(self, "_path"):
            self.refuse(*headers_too_large())
        else:
            self.refuse(*uri_too_long())

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self.is_refused:
            return
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self.refuse(*headers_too_large())
        else:
            self.refuse(*BAD_REQUEST)

    def _send100Continue(self) -> None:
        if not self.is_refused:
            super()._send100Continue()


class WebRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """Daphne's request with a limit for the body and a deadline for the headers. Its failure does not end the server.

    An event stream's application can take the socket.
    """

    channel: Any
    transport: Any
    application_queue: Any
    uri: bytes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Django reads forms. Twisted would answer a bad one with a bare status line.
        super().__init__(*args, **kwargs, parsePOSTFormSubmission=False)
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
        if code in GONE:
            self.server.repeats.drop(self.uri)
        super().setResponseCode(code, message or PHRASES.get(code))

    def process(self) -> Any:
        if self.channel.is_refused:
            return None
        self.server.request_deadlines.stop(self.channel)
        self.requestHeaders.removeHeader(b"daphne-root-path")  # any client could set it
        self._take_absolute_form()
        return self.answer()

    def answer(self) -> Any:
        """Start the application."""
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
        if len(self.requestHeaders.getRawHeaders(b"host", ())) == 1:  # none, or two: refused later
            self.requestHeaders.setRawHeaders(b"host", [found[1]])

    def finish(self) -> None:
        channel = self.channel
        # This comes before Twisted reads on, because it may have read the next request already.
        if channel is not None and getattr(channel, "persistent", False):
            self.server.idle_deadlines.start(channel)
        super().finish()

    def handle_exception(self, exception: BaseException) -> None:
        """The application failed: answer 500, or cut a stream that has begun. The error must not reach the server."""
        if self.socket is not None:
            self.socket.abort()
        elif self.channel is None:
            pass
        elif not self._response_started:
            super().handle_exception(exception)
        else:
            self.channel.forceAbortClient()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answer a malformed request, or one that made its application fail, in the form of all errors.

        The connection ends with it: if one request can be read in two ways, nothing after it can be trusted.
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

    async def room(self, wanted: int) -> int:
        """Wait until the peer has taken most of what was written to it, or has gone.

        Return how many bytes may be written of those that are wanted. 0: none are, or by nobody.
        """
        with contextlib.suppress(PeerGone):
            transport = tcp_transport(self.channel and self.channel.transport)
            if isinstance(transport, Transport):
                await transport.room()
        return min(wanted, PIECE_BYTES)

    async def send_file(self, message: dict[str, Any]) -> None:
        """Send a part of a file as the body, or what is left of it: ASGI's zero-copy send."""
        if self.channel is None or self.finished:
            return
        descriptor, start = message["file"].fileno(), message.get("offset") or 0
        count = message.get("count")
        end = os.fstat(descriptor).st_size if count is None else start + count
        self.write(b"")  # the headers
        if repeatable := message.get("repeat"):
            self._keep(OpenFile(descriptor), end, repeatable)
        await self._send_part(descriptor, start, end)
        if not message.get("more_body", False):
            self.handle_reply({"type": "http.response.body"})

    async def _send_part(self, descriptor: int, start: int, end: int) -> None:
        await self.channel.transport.send_file(descriptor, start, end)

    def _keep(self, file: OpenFile, size: int, repeatable: Repeatable) -> None:
        """Have the same request answered alike, as long as the application allows that."""
        if (said := said_by(self)) is None or self.responseHeaders.hasHeader(b"set-cookie"):
            return
        headers = [(name, value) for name, each in self.responseHeaders.getAllRawHeaders() for value in each]
        varies = b"accept-encoding" in b",".join(self.responseHeaders.getRawHeaders(b"vary", ())).lower()
        self.server.repeats.keep(self.uri, Repeat(said, varies, headers, file, size, repeatable))

    # Streams

    @property
    def _can_give_socket(self) -> bool:
        """Whether we can take the socket from Twisted: its TLS is not ours, and the client must understand chunks."""
        transport = self.channel and self.channel.transport
        return isinstance(transport, tcp.Connection) and not transport.TLS and self.clientproto == b"HTTP/1.1"

    def extensions(self) -> dict[str, Any]:
        """Return what the application may use besides ASGI: the socket itself, or what waits in Twisted's buffers."""
        if self._can_give_socket:
            can_send_files = isinstance(self.channel.transport, Transport)
            return {
                WIRE: self._give_socket,
                EXEMPT: self.channel.exempt,
                **({ZERO_COPY: {}} if can_send_files else {}),
            }
        with contextlib.suppress(PeerGone):
            notice_vanished_peer(tcp_transport(self.channel and self.channel.transport).socket)
        return {BEHIND: Behind(lambda: self.channel and self.channel.transport)}

    def _give_socket(self, listener: Listener) -> StreamSocket:
        """Hand over the connection of an event stream before its answer begins. Raises PeerGone."""
        if self.socket is None:
            taken = self._take_socket()
            self.socket = self.server.sockets.adopt(taken.descriptor, listener, is_sse=True, tls=taken.tls)
        adopted: StreamSocket = self.socket
        if adopted.descriptor < 0:
            raise PeerGone
        adopted.listener = listener
        return adopted

    def _take_socket(self) -> Taken:
        """Take the socket from Twisted and Daphne. Raises PeerGone."""
        channel, transport = self.channel, tcp_transport(self.channel and self.channel.transport)
        self.server.request_deadlines.stop(channel)
        self.server.bound.forget(transport)
        self.server.forget(self)
        self.channel = self.transport = self.application_queue = None
        return take_socket(channel, transport)
