"""HTTPS in the node: a connection of the server behind TLS, whose socket a stream can have like any other.

Made by the listening port of the server (realtime.edge.server) in place of realtime.edge.transport. OpenSSL encrypts
and writes on the descriptor itself, so nothing is copied through buffers in between; a stream keeps the TLS of its
socket (realtime.edge.sockets). Measured in docs/benchmarks.md.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from typing import Any

from twisted.internet import main
from twisted.internet.interfaces import ISSLTransport
from zope.interface import implementer

from realtime import metrics
from realtime.edge.bound import Bound
from realtime.edge.certificates import Certificate
from realtime.edge.tls import CLIENT_HELLO, say_goodbye, sender
from realtime.edge.transport import PIECE_BYTES, FileSending, Transport
from realtime.node.connections import is_full


@implementer(ISSLTransport)
class TlsTransport(Transport):
    socket: Any  # plain until the first bytes have come, then an ssl.SSLSocket

    def __init__(self, bound: Bound, certificate: Certificate, sock: socket.socket, *args: Any) -> None:
        super().__init__(bound, sock, *args)
        self._certificate = certificate
        self._is_open = False

    def getPeerCertificate(self) -> None:
        """Nobody is asked for one."""

    def doRead(self) -> Any:
        if not self._is_open:
            ended = self._shake_hands()
            if ended is not None or not self._is_open:
                return ended
        try:
            data = self.socket.recv(self.bufferSize)
        except OSError as error:
            return None if is_full(error) else main.CONNECTION_LOST
        return self._dataReceived(data)

    def doWrite(self) -> Any:
        if not self._is_open and not self.disconnecting:
            self.stopWriting()
            return self.doRead()
        return super().doWrite()

    def _shake_hands(self) -> Any:
        """Go on with the handshake as far as the peer has come."""
        try:
            if not isinstance(self.socket, ssl.SSLSocket):
                first = self.socket.recv(1, socket.MSG_PEEK)
                if first != CLIENT_HELLO[:1]:
                    return self._refuse_plain() if first else main.CONNECTION_DONE
                context = self._certificate.context
                self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
                self.fileno = self.socket.fileno
            self.socket.do_handshake()
        except OSError as error:
            if is_full(error):
                if isinstance(error, ssl.SSLWantWriteError):
                    self.startWriting()
                return None
            metrics.tls_handshakes.labels("failed").inc()
            return main.CONNECTION_LOST
        metrics.tls_handshakes.labels("done").inc()
        self._is_open = True
        self._write_record = sender(self.socket)
        if self.socket.selected_alpn_protocol() == "h2":
            channel = self.protocol._channel
            channel.factory.speak_http2(channel)
        return None

    def _refuse_plain(self) -> None:
        self._is_open = True  # what is said now is not encrypted
        self.protocol._channel.refuse(400, "https_only", "This port speaks HTTPS: begin the address with https://")

    def writeSomeData(self, data: bytes) -> Any:
        try:
            return self.socket.send(memoryview(data)[: self.SEND_LIMIT])
        except OSError as error:
            return 0 if is_full(error) else main.CONNECTION_LOST

    def write_at_once(self, data: bytes) -> None:
        sent = 0
        if not self.pending_bytes():
            with contextlib.suppress(OSError):  # full, or the peer has gone, as the next write will find out
                sent = self._write_record(data)
        if sent < len(data):
            self.write(data[sent:])

    def write_now(self, data: bytes) -> None:
        """There is no joining of packets behind TLS: a record is what it is."""
        self.write(data)

    def _send_piece(self, sending: FileSending) -> int:
        piece = os.pread(sending.descriptor, min(PIECE_BYTES, sending.end - sending.at), sending.at)
        return self.socket.send(piece) if piece else 0

    def _closeWriteConnection(self) -> None:
        self._say_goodbye()
        super()._closeWriteConnection()

    def _closeSocket(self, orderly: bool) -> None:
        if orderly:
            self._say_goodbye()
        super()._closeSocket(orderly)

    def _say_goodbye(self) -> None:
        if isinstance(self.socket, ssl.SSLSocket):
            say_goodbye(self.socket)
