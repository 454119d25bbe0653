"""A connection through any ASGI server, for when we cannot take the socket (TLS that is not ours, HTTP/1.0).

Made by the consumers (realtime.edge.consumers), which stay for as long as the connection lasts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from realtime.asgi import Send
from realtime.edge.bound import STALL_MAX_SECONDS, WAITING_MAX_BYTES, cut
from realtime.edge.handoff import PeerGone
from realtime.events import HEARTBEAT, Frame
from realtime.node.connections import Closing

logger = logging.getLogger(__name__)


class AsgiWire:
    """A connection through any ASGI server: implements realtime.node.connections.Wire.

    `behind` knows the server's own buffers. If it is None, the server itself must bound them.
    """

    direct_fd = -1

    def __init__(self, send: Send, *, is_sse: bool, behind: Any) -> None:
        self._is_sse = is_sse
        self._behind = behind
        self._application = asyncio.current_task()
        self._waiting: asyncio.Queue[tuple[dict[str, Any], int]] = asyncio.Queue()
        self._waiting_bytes = 0
        self._is_ending = False
        self._sending = asyncio.create_task(self._run(send), name="asgi wire")

    def open(self, headers: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        self._waiting.put_nowait(({"type": "http.response.start", "status": 200, "headers": headers}, 0))
        self.put(first)

    def write(self, frames: Sequence[Frame]) -> None:
        if self._is_sse:
            self.put(b"".join(made.text for made in frames))
        else:
            for made in frames:
                self.put(made.message)

    def answer(self, body: bytes) -> None:
        self.put(body)

    def ping(self) -> None:
        if self._is_sse:  # a WebSocket's server sends pings of its own
            self.put(HEARTBEAT)

    def put(self, data: bytes) -> None:
        if self._is_ending:
            return
        self._waiting_bytes += len(data)
        message: dict[str, Any] = (
            {"type": "http.response.body", "body": data, "more_body": True}
            if self._is_sse
            else {"type": "websocket.send", "text": data.decode()}
        )
        self._waiting.put_nowait((message, len(data)))
        if self.pending_bytes() > WAITING_MAX_BYTES:
            cut(self, "full")

    def keep(self, rest: bytes) -> None:
        raise AssertionError("the node has no descriptor of this wire")

    def pause(self) -> None:
        """The commands wait in the server. We take them one by one."""

    def resume(self) -> None: ...

    def pending_bytes(self) -> int:
        try:
            return self._waiting_bytes + (self._behind.pending_bytes() if self._behind is not None else 0)
        except PeerGone:
            return 0

    def close(self, why: Closing) -> None:
        if not self._is_ending:
            self._is_ending = True
            last = {"type": "websocket.close", "code": why.value}
            self._waiting.put_nowait(({"type": "http.response.body", "body": b""} if self._is_sse else last, 0))

    def abort(self) -> None:
        self.stop()
        if self._behind is not None:
            self._behind.abort()
        elif self._application is not None:
            self._application.cancel()  # ASGI has no abrupt end: this is the nearest

    def stop(self) -> None:
        """The connection has ended: nothing is sent any more."""
        self._is_ending = True
        self._sending.cancel()

    async def _run(self, send: Send) -> None:
        while True:
            message, size = await self._waiting.get()
            try:
                # If we do not see the server's buffers, the server makes us wait instead.
                async with asyncio.timeout(STALL_MAX_SECONDS if self._behind is None else None):
                    await send(message)
            except TimeoutError:
                cut(self, "stalled")
                return
            except Exception as error:  # each server raises its own when the peer has left; its disconnect follows
                logger.debug("asgi wire: %s", error)
                return
            self._waiting_bytes -= size
            if self._is_ending and self._waiting.empty():
                return
