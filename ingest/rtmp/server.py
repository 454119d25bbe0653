"""The RTMP server: many encoders on one port, each with a key that is asked for before any of its picture is taken.

Made by what runs the ingest. It knows neither keys nor videos: `admit` says who may send, and where the picture goes
(ingest.rtmp.publish). The picture is passed on as FLV, as it came. RTMPS is for the proxy in front, which does TLS.

A connection keeps little: what asyncio has read (`READ_BYTES`, twice, and what one read of the kernel brings), one
message that is not whole, and what waits for the sink. While the sink waits, nothing is read from its encoder; the
others go on. An encoder that is silent is not cut here, for a stream may stall and come back: one that is dead is,
by TCP's own probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ingest.rtmp.chunks import BadRtmp, RtmpMessage
from ingest.rtmp.flv import FlvFile, is_header
from ingest.rtmp.health import HealthMeter
from ingest.rtmp.publish import Publish, RefusedStream, Sink, app_and_key
from ingest.rtmp.session import PublishRequest, RtmpSession

logger = logging.getLogger(__name__)

ENDED = "The encoder has ended its stream."
GONE = "The encoder has gone."
LATE = "The encoder took too long to ask."
STOPPED = "The server is stopping."
FAULT = "The server has a fault."
NO_KEY = "The encoder sent no stream key. Copy it from the studio."

READ_BYTES = 65_536
FAREWELL_SECONDS = 2.0  # for the encoder to read why it is cut
UNREAD_SECONDS = 10.0  # an encoder that takes no answers for so long is gone
# A peer that is gone without a word is noticed within 25 s.
_PROBES = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}

Admit = Callable[[Publish], Awaitable[Sink]]


@dataclass(frozen=True, slots=True)
class RtmpLimits:
    """What one encoder, and one address, may take. A key frame in 4K has about 2 MB."""

    publish_seconds: float = 5.0
    connections_per_address: int = 200
    message_max_bytes: int = 8 * 1024 * 1024
    max_bits_per_second: float = 60e6


class RtmpServer:
    """Takes encoders from `start` until `aclose`. `network_of` says what the limits count as one address.

    `admit` is awaited without a deadline, and may take as long as it answers for. It raises RefusedStream for those
    that may not send.
    """

    def __init__(self, admit: Admit, *, network_of: Callable[[str], str], limits: RtmpLimits | None = None) -> None:
        self._admit = admit
        self._network_of = network_of
        self._limits = limits or RtmpLimits()
        self._networks: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str | None, port: int) -> int:
        """Listen; return the port, which the system chooses for 0. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=READ_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def aclose(self) -> None:
        """Take no more encoders, cut those there are, and return when their sinks are closed."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        network = self._network_of(address)
        if self._networks[network] >= self._limits.connections_per_address:
            logger.warning("connection from %s cut: its address has as many as are taken", address)
            writer.transport.abort()
            return
        self._networks[network] += 1
        encoder = _EncoderConnection(reader, writer, address=address, admit=self._admit, limits=self._limits)
        task = asyncio.get_running_loop().create_task(encoder.run())
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._left(task, writer, network))

    def _left(self, task: asyncio.Task[None], writer: asyncio.StreamWriter, network: str) -> None:
        writer.transport.abort()
        self._tasks.discard(task)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("fault in a stream", exc_info=error)


class _EncoderConnection:
    """One encoder from its first byte to its last."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        address: str,
        admit: Admit,
        limits: RtmpLimits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._address = address
        self._admit = admit
        self._limits = limits
        self._session = RtmpSession(message_max_bytes=limits.message_max_bytes)
        self._flv = FlvFile()
        self._meter = HealthMeter()
        self._sink: Sink | None = None
        self._has_asked = False
        self._deadline = asyncio.timeout(limits.publish_seconds)
        self._late = LATE  # what is said at the deadline
        _probe(writer.get_extra_info("socket"))

    async def run(self) -> None:
        reason = FAULT
        try:
            reason = await self._until_its_end()
        except asyncio.CancelledError:
            reason = STOPPED
            raise
        finally:
            await self._close(reason)

    async def _until_its_end(self) -> str:
        """Return why the stream has ended. The encoder may have words to read."""
        try:
            async with self._deadline:
                return await self._read()
        except TimeoutError:
            if not self._deadline.expired():
                raise
            reason = self._late
        except (BadRtmp, RefusedStream) as refusal:
            reason = str(refusal)
        self._session.refuse(reason)
        return reason

    async def _read(self) -> str:
        while data := await self._piece():
            self._meter.receive(len(data))
            if self._meter.window_bits_per_second() > self._limits.max_bits_per_second:
                most = self._limits.max_bits_per_second / 1e6
                raise RefusedStream(f"The stream has more than {most:g} Mbit/s, which is the most that is taken here.")
            if await self._take(data):
                return ENDED
            if len(data) == READ_BYTES:
                await asyncio.sleep(0)  # there is more: the others' turn
        return GONE

    async def _piece(self) -> bytes:
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""

    async def _take(self, data: bytes) -> bool:
        """Do what the bytes say; return whether the encoder has ended its stream."""
        flv: list[bytes | bytearray] = []
        has_ended = False
        for event in self._session.receive(data):
            if isinstance(event, RtmpMessage):
                self._meter.note(event)
                pieces = self._flv.pieces(event)
                if pieces and is_header(pieces[0]):
                    await self._pass_on(flv)
                flv += pieces
            elif isinstance(event, PublishRequest):
                await self._publish(event)
            else:
                has_ended = True
                break
        if not has_ended:  # the last words are sent when all is over
            await self._answer()
        await self._pass_on(flv)
        return has_ended

    async def _pass_on(self, flv: list[bytes | bytearray]) -> None:
        if flv and self._sink is not None:
            await self._sink.write(b"".join(flv))
        flv.clear()

    async def _publish(self, request: PublishRequest) -> None:
        self._deadline.reschedule(None)
        self._has_asked = True
        app, key = app_and_key(request.path, request.name)
        if not key:
            raise RefusedStream(NO_KEY)
        asking = Publish(app, key, self._address, health=self._meter, cut=self._cut, renew=self._flv.end)
        self._sink = await self._admit(asking)
        self._session.accept()

    def _cut(self, detail: str) -> None:
        self._late = detail
        with contextlib.suppress(RuntimeError):  # it is over already
            self._deadline.reschedule(0)

    async def _answer(self) -> None:
        if not self._session.outgoing:
            return
        self._writer.write(bytes(self._session.outgoing))
        self._session.outgoing.clear()
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                await self._writer.drain()
        except OSError:
            self._writer.transport.abort()

    async def _close(self, reason: str) -> None:
        # A probe, or whatever comes by, has asked for nothing.
        level = logging.INFO if self._has_asked else logging.DEBUG
        logger.log(level, "stream from %s over: %s", self._address, reason)
        if self._sink is not None:
            await self._sink.close(reason)
        await self._part()

    async def _part(self) -> None:
        """Say the last words, and wait until the encoder has read them: to close over unread bytes takes them back."""
        if not self._session.outgoing:
            return
        with contextlib.suppress(OSError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._answer()
                self._writer.write_eof()
                while await self._reader.read(READ_BYTES):
                    pass


def _probe(sock: socket.socket) -> None:
    """Have TCP ask a silent peer whether it is there. Systems have these options by different names, or not at all."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
