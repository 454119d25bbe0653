"""Turns a request into a WebSocket: the handshake, and the WebSocket of an application that does not take the socket.

Called by Twisted for each request, in place of realtime.edge.http. Behind TLS the handshake is Daphne's and Autobahn's
(realtime.edge.autobahn).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from daphne import http_protocol

from realtime.edge.application import INBOUND_MAX_FRAMES, INPUT_ENDED, received
from realtime.edge.handoff import PeerGone
from realtime.edge.http import WebRequest
from realtime.edge.sockets import Listener, StreamSocket
from realtime.node.connections import Closing
from realtime.websocket import BINARY, TEXT, accept_key, websocket_frame

RawHeaders = list[tuple[bytes, list[bytes]]]


class UpgradeRequest(WebRequest):
    """A request that may ask for a WebSocket. Implements realtime.edge.sockets.Listener."""

    is_websocket = False
    _is_pinging = False

    def answer(self) -> Any:
        if b"websocket" in (token.strip() for token in self._header(b"upgrade").lower().split(b",")):
            if self.clientproto == b"HTTP/1.0":
                return self.basic_error(400, b"Bad Request", "A WebSocket needs HTTP/1.1.")
            if self._can_give_socket:
                return self._handshake()
            self._hide_line_ends()
        return super().answer()

    def _hide_line_ends(self) -> None:
        """Autobahn reads headers as text, where 0x85 ends a line: what follows it would be a header of its own."""
        for name, values in list(self.requestHeaders.getAllRawHeaders()):
            self.requestHeaders.setRawHeaders(name, [value.replace(b"\x85", b"?") for value in values])

    def _header(self, name: bytes) -> bytes:
        """Return the values of a header as one, empty when there is none."""
        return b",".join(self.requestHeaders.getRawHeaders(name, ()))

    def _give_socket(self, listener: Listener) -> StreamSocket:
        """Hand over the connection once it is accepted. Raises PeerGone."""
        if self.is_websocket and self.socket is None:
            raise PeerGone
        return super()._give_socket(listener)

    def handle_exception(self, exception: BaseException) -> None:
        if self.is_websocket and self.socket is not None:
            self.socket.end(Closing.FAILED.value)
        else:
            super().handle_exception(exception)

    def _handshake(self) -> None:
        """Start the application, or answer what is wrong with the request."""
        raw_headers = list(self.requestHeaders.getAllRawHeaders())
        try:
            self._accept_key = self._checked_key(raw_headers)
        except ValueError:
            self.basic_error(400, b"Bad Request", "This is no WebSocket handshake.")
            return
        if self._header(b"sec-websocket-version").strip() != b"13":
            self.basic_error(426, b"Upgrade Required", "This is WebSocket version 13.")
            return
        self.server.request_deadlines.start(self.channel)
        self.is_websocket = True
        self.client_addr = [self.client.host, self.client.port]
        self.application_queue = self.server.create_application(self, self._scope(raw_headers))
        if self.application_queue is not None:
            self.application_queue.put_nowait({"type": "websocket.connect"})

    def _checked_key(self, raw_headers: RawHeaders) -> bytes:
        """Return the answer to the client's key. Raises ValueError for what is no handshake."""
        if not all(
            http_protocol.HEADER_NAME_RE.fullmatch(name)
            and not any(http_protocol.INVALID_HEADER_VALUE_BYTES.intersection(value) for value in values)
            for name, values in raw_headers
        ):
            raise ValueError("a header that is none")
        if self.method != b"GET" or b"upgrade" not in self._header(b"connection").lower():
            raise ValueError("no upgrade")
        self.uri.decode("ascii")
        return accept_key(self._header(b"sec-websocket-key").strip())

    def _scope(self, raw_headers: RawHeaders) -> dict[str, Any]:
        offered = self._header(b"sec-websocket-protocol").decode("latin1").split(",")
        return {
            "type": "websocket",
            "path": unquote(self.path.decode("ascii")),
            "raw_path": self.path,
            "root_path": self.server.root_path,
            "scheme": "wss" if self.isSecure() else "ws",
            "query_string": self.uri.partition(b"?")[2],
            "headers": [(name.lower(), value) for name, values in raw_headers if b"_" not in name for value in values],
            "client": self.client_addr,
            "server": [self.host.host, self.host.port],
            "subprotocols": [name.strip() for name in offered if name.strip()],
        }

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
        taken = self._take_socket()
        self.application_queue = queue
        self.socket = self.server.sockets.adopt(taken.descriptor, self, is_sse=False, tls=taken.tls)
        self.socket.put(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n"
            % self._accept_key
            + (b"Sec-WebSocket-Protocol: %b\r\n" % subprotocol.encode("latin1") if subprotocol else b"")
            + b"\r\n"
        )
        if taken.unread:
            asyncio.get_running_loop().call_soon(self.socket.take, taken.unread)

    # Listener: if the application leaves its WebSocket to the server, messages come as ASGI events.

    def received(self, message: str | bytes) -> None:
        if not self._is_pinging:
            self._is_pinging = True
            self._ping_later()
        self.application_queue.put_nowait(received(message))
        if self.application_queue.qsize() > INBOUND_MAX_FRAMES:
            self.socket.pause()

    def _ping_later(self) -> None:
        """As the node does for its own: it finds peers that have vanished, and fragments are counted between two."""
        asyncio.get_running_loop().call_later(self.server.heartbeat_seconds, self._ping)

    def _ping(self) -> None:
        self.socket.ping()
        if self.socket.descriptor >= 0:
            self._ping_later()

    def input_ended(self, goodbye: Callable[[], None]) -> None:
        self.application_queue.put_nowait({"type": INPUT_ENDED, "goodbye": goodbye})

    def took_one(self) -> None:
        """The application took a message. Read on when it has caught up."""
        if self.socket is not None and self.application_queue.qsize() <= INBOUND_MAX_FRAMES // 4:
            self.socket.resume()

    def filled(self) -> None:
        """Only the socket writes to the descriptor."""

    def gone(self) -> None:
        self.application_queue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def send_disconnect(self) -> None:
        if self.is_websocket:
            self.gone()
        else:
            super().send_disconnect()
