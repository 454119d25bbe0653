"""WebSockets behind TLS, where we cannot take the socket. Daphne and Autobahn handle them, as strictly as we do.

Called by Daphne's upgrade of a request (realtime.edge.http), for the server (realtime.edge.server).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from daphne import ws_protocol

from realtime.edge.application import INBOUND_MAX_FRAMES, INPUT_ENDED, received
from realtime.edge.handoff import BEHIND, Behind
from realtime.edge.reactor import reactor
from realtime.edge.sockets import CLOSE_SECONDS
from realtime.node.connections import Closing
from realtime.websocket import CLOSE, PING, PONG, Inbound, ProtocolError, close_code


class WebSocketProtocol(ws_protocol.WebSocketProtocol):  # type: ignore[misc]
    """Daphne's WebSocket, behind TLS. Autobahn does its handshake, pings and writing; our codec reads what comes.

    A bound limits what waits for the application.
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
                    self._end_input(close_code(payload), is_reply=True)
                    return
                if self.state == self.STATE_OPEN:
                    self._take(opcode, payload)
            self.server.message_deadlines.note(self, has_come=has_come, is_unfinished=self._inbound.is_unfinished)
        except ProtocolError as error:
            self._end_input(error.code)

    def sendPing(self, payload: bytes | None = None) -> None:
        super().sendPing(payload)
        if self._inbound is not None:
            self._inbound.extras = 0

    def _take(self, opcode: int, payload: str | bytes) -> None:
        if opcode == PING:
            self.sendPong(payload)
        elif opcode != PONG:
            self.application_queue.put_nowait(received(payload))
        if not self._is_paused and self.application_queue.qsize() > INBOUND_MAX_FRAMES:
            self._is_paused = True
            self.transport.pauseProducing()

    def took_one(self) -> None:
        """The application took a frame. Read on when it has caught up."""
        if self._is_paused and self.application_queue.qsize() <= INBOUND_MAX_FRAMES // 4:
            self._is_paused = False
            self.transport.resumeProducing()

    def handle_exception(self, exception: BaseException) -> None:
        if hasattr(self, "handshake_deferred"):
            super().handle_exception(exception)
        else:
            self.serverClose(code=Closing.FAILED.value)

    def _end_input(self, code: int, *, is_reply: bool = False) -> None:
        """The same as in StreamSocket."""
        self._inbound = None
        goodbye = partial(self._say_goodbye, code, is_reply=is_reply)
        reactor.callLater(CLOSE_SECONDS, goodbye)
        self.application_queue.put_nowait({"type": INPUT_ENDED, "goodbye": goodbye})
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
        """Close with any code. Autobahn's `sendClose` takes only application codes, not 1003, 1011, 1012."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else code)

    def check_timeouts(self) -> None:
        """Nothing to check: the handshake and the pings have timers of their own."""

    def extensions(self) -> dict[str, Any]:
        return {BEHIND: Behind(lambda: self.transport)}


class WebSocketFactory(ws_protocol.WebSocketFactory):  # type: ignore[misc]
    protocol = WebSocketProtocol
