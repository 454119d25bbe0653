"""A request of HTTP/2, and the event stream that one may become.

Made by its stream (realtime.edge.http2_stream). What it is asked and answers is a request's of HTTP/1.1
(realtime.edge.http): only what touches the connection is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime.edge.handoff import EXEMPT, WIRE, ZERO_COPY, PeerGone
from realtime.edge.http import WebRequest
from realtime.edge.sockets import Listener
from realtime.events import HEARTBEAT, Frame
from realtime.node.connections import Closing


class Http2Request(WebRequest):
    channel: Any  # realtime.edge.http2_stream.Http2Stream

    def answer(self) -> Any:
        stream = self.channel
        assert stream is not None
        answered = super().answer()
        application = self.server.connections.get(self, {}).get("application_instance")
        if application is None:
            stream.rest()
        else:
            application.add_done_callback(lambda _: stream.rest())
        return answered

    def handle_reply(self, message: dict[str, Any]) -> None:
        if self.channel is not None and message["type"] == "http.response.body" and not message.get("more_body"):
            self.channel.is_last = True
        super().handle_reply(message)

    async def room(self, wanted: int) -> int:
        if (stream := self.channel) is None or not wanted:
            return 0
        stream.hold(wanted)
        try:
            return int(await stream.room(wanted))
        finally:
            stream.hold(-wanted)

    async def _send_part(self, descriptor: int, start: int, end: int) -> None:
        if self.channel is not None:
            await self.channel.send_file(descriptor, start, end)

    def extensions(self) -> dict[str, Any]:
        assert self.channel is not None
        return {WIRE: self._give_stream, EXEMPT: self.channel.exempt, ZERO_COPY: {}}

    def _give_stream(self, listener: Listener) -> EventWire:
        """Hand over the stream before its answer begins. Raises PeerGone."""
        stream = self.channel
        if stream is None or not stream.is_open:
            raise PeerGone
        self.server.forget(self)
        self.channel = self.transport = self.application_queue = None
        wire: EventWire = stream.give(listener)
        self.socket = wire
        return wire


class EventWire:
    """An event stream: implements realtime.node.connections.Wire. The node writes to no descriptor of its own."""

    direct_fd = -1

    def __init__(self, stream: Any, listener: Listener) -> None:
        self._stream = stream
        self.listener = listener

    def open(self, headers: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        self._stream.send_head(200, headers)
        self._stream.put(first)

    def write(self, frames: Sequence[Frame]) -> None:
        self._stream.put(b"".join([made.text for made in frames]) if len(frames) > 1 else frames[0].text)

    def answer(self, body: bytes) -> None:
        self._stream.put(body)

    def ping(self) -> None:
        self._stream.put(HEARTBEAT)

    def keep(self, rest: bytes) -> None:
        raise AssertionError("the node has no descriptor of this wire")

    def pause(self) -> None:
        """Nothing comes from the viewer of an event stream."""

    def resume(self) -> None: ...

    def pending_bytes(self) -> int:
        return int(self._stream.pending_bytes())

    def close(self, why: Closing) -> None:
        self._stream.finish()

    def abort(self) -> None:
        self._stream.abort()
