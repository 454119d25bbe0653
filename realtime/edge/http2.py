"""HTTP/2 of the server: one connection behind TLS, and its streams, each a request as HTTP/1.1 has them.

Called by Twisted with what a peer sends, in place of realtime.edge.http, when the handshake of TLS has chosen it. The
library h2 keeps the state of the protocol. A request is answered by the same code as one of HTTP/1.1
(realtime.edge.http2_request), under the same limits, deadlines and bounds.
Promise: a connection holds no more for its peer than one of HTTP/1.1 does. What a peer does not take waits in the
applications, which write in turn. Few of them work at once, and none begins while answers wait for the peer. A peer
that makes work and asks for nothing, by frames that cost it little, is sent away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame
from twisted.internet.protocol import Protocol

from realtime.edge.bound import WAITING_MAX_BYTES
from realtime.edge.http import LINGER_SECONDS, HttpChannel
from realtime.edge.http2_stream import Http2Stream
from realtime.edge.reactor import reactor
from realtime.edge.transport import ROOM_BYTES, Transport
from realtime.limits import Limited, Network, RateLimit

STREAMS_MAX = 100
AT_WORK_MAX = 16
"""Requests whose application has not begun to answer. Browsers have six connections of HTTP/1.1, with one each."""
HOLDING_MAX = 6  # answers that may wait for the peer, whatever they hold
HEADS_MAX_BYTES = 256 * 1024  # headers of requests that are not answered yet
BODIES_MAX_BYTES = 256 * 1024  # bodies of requests that are not whole yet
DECODED_MAX_BYTES = 128 * 1024  # headers of one request; they are read, though refused, to tell the peer why
RESTS_MAX_BYTES = 256 * 1024  # of a body that nobody wants
CONTINUATIONS_MAX = 4
CLOSED_MAX = 1_000  # streams that have ended, and are known to have been there
TABLE_MAX_BYTES = 4_096  # of headers that were sent and may be named by a number
# A frame that asks for nothing costs one; what made us begin for nothing costs more. Taking data gives back.
FRAMES_BURST, FRAMES_PER_SECOND = 1_000, 100
RESET_COST = 4
SMALL_BYTES = 256


class _Protocol(H2Connection):
    """The state of the protocol. It sends a peer away that makes work and asks for nothing."""

    DEFAULT_MAX_HEADER_LIST_SIZE = DECODED_MAX_BYTES
    MAX_CLOSED_STREAMS = CLOSED_MAX

    def __init__(self) -> None:
        # What we send has the right form already.
        super().__init__(
            H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.effort = RateLimit(burst=FRAMES_BURST, per_second=FRAMES_PER_SECOND, keys_max=1)

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if not isinstance(frame, HeadersFrame) and not (isinstance(frame, DataFrame) and _says_much(frame)):
            self.demand(RESET_COST if isinstance(frame, RstStreamFrame) else 1)
        return super()._receive_frame(frame)

    def demand(self, cost: int) -> None:
        """Raises DenialOfServiceError if the peer has demanded too much."""
        try:
            self.effort.take("", cost)
        except Limited as error:
            raise DenialOfServiceError from error


def _says_much(frame: DataFrame) -> bool:
    return len(frame.data) >= SMALL_BYTES or "END_STREAM" in frame.flags


class Http2Connection(Protocol):
    """A connection. Implements realtime.edge.bound.Reader, for a peer that opens no window for any stream."""

    transport: Any

    def __init__(self, factory: Any, network: Network | None) -> None:
        self.factory = factory
        self.server = factory.server
        self.network = network
        self.h2 = _Protocol()
        self._streams: dict[int, Http2Stream] = {}
        self._ready: deque[Http2Stream] = deque()  # whole requests whose time has not come
        self._writers: dict[Http2Stream, asyncio.Future[None]] = {}  # they wait for their turn, in this order
        self._turn: asyncio.Future[None] | None = None  # given, and not yet taken
        self.waiting: set[Http2Stream] = set()  # those with bytes that wait
        self._at_work = 0
        self._holding = self._held_bytes = 0  # answers that wait in the applications, and what they have
        self._rests: dict[int, int] = {}  # bodies that go on after their answer: how much is read and dropped
        self.head_bytes = 0
        self._has_asked = False
        self._is_last = False  # no new request is taken
        self._is_broken = False

    def connectionMade(self) -> None:
        server, h2 = self.server, self.h2
        server.http2.add(self)
        server.request_deadlines.start(self)
        self.transport.setTcpNoDelay(True)
        self.transport.on_room = self.give_turns
        said = {
            SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
            SettingCodes.MAX_HEADER_LIST_SIZE: HttpChannel.totalHeadersSize,
            SettingCodes.INITIAL_WINDOW_SIZE: max(65_535, server.body_max_bytes + 1),
        }
        h2.local_settings = Settings(client=False, initial_values=said)
        h2.initiate_connection()
        # What is beyond what we said is answered, by us, and does not end the connection.
        h2.local_settings = Settings(
            client=False, initial_values={**said, SettingCodes.MAX_CONCURRENT_STREAMS: 2 * STREAMS_MAX}
        )
        h2.increment_flow_control_window(BODIES_MAX_BYTES - h2.inbound_flow_control_window)
        self.flush()

    # What comes

    def dataReceived(self, data: bytes) -> None:
        if self._is_broken:
            return  # read and dropped: closing while data is unread would discard the reason
        try:
            self._take_all(self.h2.receive_data(data))
            if len(self.h2.incoming_buffer._headers_buffer) > CONTINUATIONS_MAX:
                raise DenialOfServiceError
        except ProtocolError as error:
            self._break_off(error.error_code)
        else:
            is_unfinished = bool(self.h2.incoming_buffer._headers_buffer) or not self._has_asked
            self.server.request_deadlines.note(self, has_come=False, is_unfinished=is_unfinished)
            self._begin_ready()
            self.give_turns()
            self.flush()

    def _take_all(self, events: Sequence[Event]) -> None:
        """Take what came at once. What the peer has taken back is none: the library sends nothing there any more."""
        ended = {event.stream_id for event in events if isinstance(event, StreamReset)}
        for stream_id in ended:
            self._rests.pop(stream_id, None)
            if (stream := self._streams.get(stream_id)) is not None:
                stream.lost()
        for event in events:
            if getattr(event, "stream_id", None) not in ended:
                self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._ask(event)
            case DataReceived():
                self._take_body(event)
            case StreamEnded():
                self._rests.pop(event.stream_id, None)
                if (stream := self._streams.get(event.stream_id)) is not None:
                    stream.is_whole = True
                    self.server.request_deadlines.stop(stream)
                    if stream.request is not None:
                        self._ready.append(stream)
            case WindowUpdated():
                self._window_opened(event.stream_id)
            case RemoteSettingsChanged():
                self.h2.encoder.header_table_size = min(self.h2.encoder.header_table_size, TABLE_MAX_BYTES)
                for stream in list(self._streams.values()):
                    self._opened(stream)
            case ConnectionTerminated():
                raise ProtocolError("the peer leaves")  # the library sends nothing more

    def _ask(self, event: RequestReceived) -> None:
        """A request has begun."""
        stream_id = event.stream_id
        assert stream_id is not None
        self._has_asked = True
        is_too_much = len(self._streams) >= STREAMS_MAX or self.head_bytes > HEADS_MAX_BYTES
        if self._is_last or is_too_much:
            self.h2.demand(RESET_COST)
            self.h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self.server.idle_deadlines.stop(self)
        stream = self._streams[stream_id] = Http2Stream(self, stream_id)
        stream.begin(event.headers, is_whole=event.stream_ended is not None)

    def _take_body(self, event: DataReceived) -> None:
        """Take a part of a body. The peer may send as much again when the request is whole, and so leaves us."""
        stream = self._streams.get(event.stream_id or 0)
        if stream is None or stream.request is None:
            self._drop(event.flow_controlled_length, event.stream_id or 0)
        else:
            stream.body_bytes += event.flow_controlled_length
            stream.request.handleContentChunk(event.data)

    def _drop(self, size: int, stream_id: int) -> None:
        """Take a part of a body that nobody wants."""
        self.read_body(size, stream_id)
        if stream_id in self._rests:
            self._rests[stream_id] -= size
            if self._rests[stream_id] < 0:
                self._stop_rest(stream_id)

    def answered_early(self, stream_id: int) -> None:
        """A request is answered and not whole. A peer may lose the answer if the stream ends before it has read that,
        so for a moment what still comes is read and dropped."""
        self._rests[stream_id] = RESTS_MAX_BYTES
        reactor.callLater(LINGER_SECONDS, self._stop_rest, stream_id)

    def _stop_rest(self, stream_id: int) -> None:
        if self._rests.pop(stream_id, None) is not None and not self._is_broken and self.transport is not None:
            self.h2.reset_stream(stream_id, ErrorCodes.NO_ERROR)
            self.flush()

    def read_body(self, size: int, stream_id: int) -> None:
        """So much of bodies is out of our hands."""
        if size and not self._is_broken and self.transport is not None:
            self.h2.acknowledge_received_data(size, stream_id)

    def _window_opened(self, stream_id: int | None) -> None:
        if not stream_id:
            self.server.bound.forget(self)
            for stream in list(self.waiting):
                stream.send_waiting()
        elif (opened := self._streams.get(stream_id)) is not None:
            self._opened(opened)

    def _opened(self, stream: Http2Stream) -> None:
        self.server.bound.forget(stream)
        if stream.pending_bytes():
            stream.send_waiting()

    # Applications at work

    def _begin_ready(self) -> None:
        while self._ready and self._at_work < AT_WORK_MAX and not self._holds_much:
            stream = self._ready.popleft()
            if stream.is_open:
                self._at_work += 1
                stream.start()

    @property
    def _holds_much(self) -> bool:
        return self._holding > HOLDING_MAX and self._held_bytes > WAITING_MAX_BYTES

    def rested(self) -> None:
        """An application has begun to answer, or has ended without."""
        self._at_work -= 1
        self._begin_soon()

    def hold(self, size: int) -> None:
        """One answer more waits in its application, of so many bytes. Or it has gone on: then they are negative."""
        self._holding += 1 if size > 0 else -1
        self._held_bytes += size
        if size < 0:
            self._begin_soon()

    def _begin_soon(self) -> None:
        if self._ready:
            asyncio.get_running_loop().call_soon(self._begin_ready)

    def exempt(self) -> None:
        """Count the connection no longer."""
        if self.network:
            self.server.peer_limits.give_back(self.network)

    # What goes

    def flush(self) -> None:
        """Write what the library has made."""
        if data := self.h2.data_to_send():
            self.transport.write(data)

    @property
    def has_room(self) -> bool:
        return self.transport is not None and self.transport.pending_bytes() <= ROOM_BYTES

    def is_free(self) -> bool:
        """Whether somebody may write at once: there is room, and nobody else waits for it."""
        return self._turn is None and not self._writers and self.has_room

    async def turn(self, stream: Http2Stream) -> None:
        """Wait for one's turn to write. It comes, too, when the stream has ended."""
        turn = self._writers[stream] = asyncio.get_running_loop().create_future()
        self.give_turns()
        try:
            await turn
        finally:
            self._writers.pop(stream, None)
            if self._turn is turn:
                self._turn = None
                asyncio.get_running_loop().call_soon(self.give_turns)  # when this one has written

    def give_turns(self) -> None:
        """Let what waits go on, as far as there is room: what waits of streams, then one of those that write."""
        if not self.has_room:
            return
        for stream in list(self.waiting):
            stream.send_waiting()
        if self._turn is not None or not self._writers or not self.has_room:
            return
        if self.h2.outbound_flow_control_window <= 0:
            self.server.bound.waits(self)
            return
        for stream, turn in self._writers.items():
            if turn.done():
                continue
            if stream.window() > 0:
                self._turn = turn
                turn.set_result(None)
                return
            self.server.bound.waits(stream)

    def took(self, size: int) -> None:
        """The peer has made room for so many bytes, and has to say so."""
        if size >= SMALL_BYTES:
            self.h2.effort.give_back("", 2)

    def waiting_bytes(self) -> int:
        """How much waits for the peer in the server."""
        return int(self.transport.pending_bytes()) + sum(stream.pending_bytes() for stream in self.waiting)

    def pending_bytes(self) -> int:
        return 0  # what waits is counted where it waits

    def abort(self) -> None:
        self.transport.abortConnection()

    # The end

    def forget(self, stream: Http2Stream) -> None:
        """A stream has ended."""
        self._streams.pop(stream.id, None)
        self.waiting.discard(stream)
        if (turn := self._writers.get(stream)) is not None and not turn.done():
            turn.set_result(None)
        if not self._streams and self.transport is not None:
            self.server.idle_deadlines.start(self)
            self._close_if_done()

    def go_away(self) -> None:
        """Take no new requests; those that are there are answered."""
        if self._is_last or self._is_broken:
            return
        self._is_last = True
        self.flush()
        goodbye = GoAwayFrame(0, last_stream_id=self.h2.highest_inbound_stream_id, error_code=ErrorCodes.NO_ERROR)
        self.transport.write(goodbye.serialize())  # after the library's own it would send nothing more
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_last and not self._streams and not self._is_broken:
            self.flush()
            self.transport.loseConnection()

    def _break_off(self, code: ErrorCodes) -> None:
        """Say why the connection ends, and end it. Then drop for a moment what still comes."""
        if self.h2.state_machine.state is not ConnectionState.CLOSED:  # else the library has said it
            self.h2.close_connection(code)
        self._is_broken = True
        self.server.request_deadlines.stop(self)
        self.flush()
        for stream in list(self._streams.values()):
            stream.lost()
        reactor.callLater(LINGER_SECONDS, lambda: self.transport and self.transport.loseConnection())

    def connectionLost(self, reason: Any = None) -> None:
        self.transport = None
        server = self.server
        server.http2.discard(self)
        server.bound.forget(self)
        server.request_deadlines.stop(self)
        server.idle_deadlines.stop(self)
        self._ready.clear()
        for stream in list(self._streams.values()):
            stream.lost()


def speak_http2(channel: HttpChannel) -> Http2Connection:
    """Have a connection speak HTTP/2 from its beginning, in place of the channel."""
    transport, factory = channel.transport, channel.factory
    assert isinstance(transport, Transport)
    factory.server.request_deadlines.stop(channel)
    channel._networkProducer.unregisterProducer()
    connection = Http2Connection(factory, channel.network)
    transport.protocol, channel.transport, channel._networkProducer = connection, None, None
    connection.makeConnection(transport)  # type: ignore[no-untyped-call]
    return connection
