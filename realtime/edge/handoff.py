"""The takeover of a stream's socket from Twisted and Daphne, and what an application may use of its connection.

Called by realtime.edge.http and realtime.edge.upgrade with the request of a stream. The libraries have no public door
for this, so the server touches parts that may change with any version. `PRIVATE_PARTS` lists them for the whole edge;
the server compares the list with what is installed when it starts (`check_libraries`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from autobahn.twisted.websocket import WebSocketServerProtocol
from daphne import http_protocol
from h2.connection import H2Connection
from h2.frame_buffer import FrameBuffer
from twisted.internet import abstract, tcp
from twisted.web import http

from realtime.edge.reactor import reactor
from realtime.edge.transport import pending_bytes

STREAM_BUFFER_BYTES = 64 * 1024  # kernel buffer for one viewer; with the mailbox it bounds what a slow viewer costs
# A peer may vanish without a FIN. The kernel notices it this long after a heartbeat without an answer, and heartbeats
# come every 15 s. Other viewers see it leave within 45 s, the node's own time included.
USER_TIMEOUT_MS = 20_000
WIRE = "live.wire"  # called with a Listener (realtime.edge.sockets) it gives the connection's StreamSocket
EXEMPT = "live.exempt"  # when called, the connection no longer counts in the limit of its address
BEHIND = "live.behind"  # if there is no WIRE: what Twisted holds back (`Behind`)
ZERO_COPY = "http.response.zerocopysend"  # ASGI's own extension: the kernel sends a file

# What is read, set or overridden, and where.
PRIVATE_PARTS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    # Here: bytes that came after the request, and the requests that hold the connection. `_networkProducer` too, which
    # a channel has once it is connected.
    (http.HTTPChannel, ("_dataBuffer", "requests")),
    # realtime.edge.http: an answer that needs no request to be read.
    (http.HTTPChannel, ("_buffer", "_handlingRequest", "_waitingForTransport", "line_mode")),
    # realtime.edge.http: a reason for each refusal. A channel also has `_path` while it reads a head.
    (http.HTTPChannel, ("_receivedHeaderCount", "_receivedHeaderSize", "_respondToBadRequestAndDisconnect")),
    (http.HTTPChannel, ("_send100Continue", "maxHeaders", "totalHeadersSize")),
    # realtime.edge.transport: what waits for a peer.
    (abstract.FileDescriptor, ("_tempDataLen", "dataBuffer", "offset")),
    # realtime.edge.autobahn: the state of a WebSocket, and its reading.
    (WebSocketServerProtocol, ("_cancelAutoPingTimeoutCall", "consumeData", "dropConnection", "sendCloseFrame")),
    # realtime.edge.http, realtime.edge.upgrade: requests and handshakes.
    (http_protocol.WebRequest, ("basic_error", "handle_exception", "handle_reply", "send_disconnect")),
    (http_protocol, ("HEADER_NAME_RE", "INVALID_HEADER_VALUE_BYTES")),
    # realtime.edge.http2: headers that have come in part, windows, and tables of headers.
    (FrameBuffer, ("_headers_buffer",)),
    (H2Connection, ("_receive_frame", "encoder", "incoming_buffer", "outbound_flow_control_window", "streams")),
    # realtime.edge.server: a channel for each connection, and the loop.
    (http, ("_GenericHTTPChannelProtocol",)),
    (reactor, ("_asyncioEventloop",)),
)


MADE = (http.HTTPChannel, abstract.FileDescriptor, FrameBuffer, H2Connection)
"""What has these parts only when it was made."""


class PeerGone(Exception):
    """The peer left before its stream began."""


def tune_stream(sock: socket.socket) -> None:
    """Set the socket options of a long-lived stream: small buffers, no Nagle, quick notice of a vanished peer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
    notice_vanished_peer(sock)


def notice_vanished_peer(sock: socket.socket) -> None:
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def tcp_transport(transport: Any) -> Any:
    """Return the TCP transport under a TLS one, or the transport itself. Raises PeerGone."""
    while transport is not None and not isinstance(transport, tcp.Connection):
        transport = transport.transport
    if transport is None or not transport.connected:
        raise PeerGone
    return transport


class Taken(NamedTuple):
    """The socket of a request: its descriptor, what was read after the request, and what encrypts it."""

    descriptor: int
    unread: bytes
    tls: ssl.SSLSocket | None


def take_socket(channel: Any, transport: Any) -> Taken:
    """Take the socket of a request from Twisted and Daphne, which forget it.

    The descriptor stays open and non-blocking. The caller must close it. `tls` works on without owning it.
    """
    unread = b"".join(channel._dataBuffer)
    tune_stream(transport.socket)
    channel._networkProducer.unregisterProducer()
    transport.stopReading()
    transport.stopWriting()
    tls = transport.socket if isinstance(transport.socket, ssl.SSLSocket) else None
    descriptor = transport.socket.detach()
    transport.connected, transport.disconnected = False, True
    # Thousands of objects that point at each other would wait for the cyclic collector.
    transport.protocol = channel.transport = channel._networkProducer = None
    channel.requests.clear()
    return Taken(descriptor, unread, tls)


class Behind:
    """The connection behind an application that cannot have the socket: TLS that is not ours, HTTP/1.0."""

    def __init__(self, transport: Callable[[], Any]) -> None:
        self._transport = transport

    def pending_bytes(self) -> int:
        """Return the number of bytes that wait in Twisted's buffers for a slow peer. Raises PeerGone."""
        return pending_bytes(tcp_transport(self._transport()))

    def abort(self) -> None:
        """Drop the connection at once."""
        with contextlib.suppress(PeerGone):
            tcp_transport(self._transport()).abortConnection()


def check_libraries(parts: Iterable[tuple[Any, Iterable[str]]] = PRIVATE_PARTS) -> None:
    """Raises RuntimeError if a library has lost a part that we touch. So the start fails, not the first stream."""
    for owner, names in parts:
        made = owner() if owner in MADE else owner
        if missing := [name for name in names if not hasattr(made, name)]:
            raise RuntimeError(f"{owner!r} has no {', '.join(missing)}: another version?")
