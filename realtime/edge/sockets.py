"""The sockets of established streams. One poll serves all of a node's; each is a descriptor and little more.

Hop: the last one. The server (realtime.edge.server) hands a socket over when the handshake is done. From then on
neither Twisted nor Channels knows it. The fan-out (realtime.node.fanout) writes to the descriptors itself. What the
kernel does not take at once waits here, in the connection's mailbox.
Measured with 5,000 idle viewers at first: behind Twisted's transport, Daphne's request and a waiting
consumer a viewer cost 15.4 KB (SSE) and 25.4 KB (WebSocket), here 2.1 and 3.2 KB. docs/benchmarks.md has more.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from realtime.edge.bound import Bound
from realtime.edge.poll import READ, WRITE, Poll
from realtime.edge.tls import say_goodbye, sender
from realtime.events import HEARTBEAT, Frame, http_chunk
from realtime.node import descriptors
from realtime.node.connections import Closing, is_full
from realtime.websocket import CLOSE, PING, PONG, Inbound, ProtocolError, close_code, websocket_frame

READ_BYTES = 64 * 1024
BATCH = 256  # sockets served before the loop gets its turn: about 2 ms
MESSAGE_SECONDS = 30.0  # for a message to come whole, from its first byte
CLOSE_SECONDS = 5.0  # for the peer to read our goodbye and close
PINGS_MAX = 1  # if a ping has no answer when the next is due, the peer is dead, whatever its kernel acknowledges
UNFINISHED = 1008  # close code: policy
# What an HTTP server adds. The connection ends with the stream: there is no other request on it.
STREAM_HEADERS = ((b"transfer-encoding", b"chunked"), (b"connection", b"close"))
LAST_CHUNK = b"0\r\n\r\n"
HEARTBEAT_SSE = http_chunk(HEARTBEAT)
HEARTBEAT_WEBSOCKET = websocket_frame(b"", opcode=PING)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Listener(Protocol):
    """The owner of a socket: it gets what happens there."""

    def received(self, message: str | bytes) -> None:
        """A WebSocket message came."""
        ...

    def input_ended(self, goodbye: Callable[[], None]) -> None:
        """The client has closed, or broken the protocol. Call `goodbye` when the messages before it are answered."""
        ...

    def filled(self) -> None:
        """The kernel takes no more bytes. From now on only the socket itself may write to the descriptor."""
        ...

    def gone(self) -> None:
        """The connection has ended, by either side. The last call."""
        ...


class Sockets:
    """All established streams of a process. Belongs to the running event loop."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self._loop = asyncio.get_running_loop()
        self._poll = Poll()
        self._sockets: dict[int, StreamSocket] = {}
        self._unfinished: dict[StreamSocket, float] = {}  # when a message that has begun must be whole
        self._loop.add_reader(self._poll.fileno(), self._serve)

    def __len__(self) -> int:
        return len(self._sockets)

    def __iter__(self) -> Iterator[StreamSocket]:
        return iter(self._sockets.values())

    def adopt(
        self, descriptor: int, listener: Listener, *, is_sse: bool, tls: ssl.SSLSocket | None = None
    ) -> StreamSocket:
        """Take over a connected, non-blocking socket. `tls` encrypts what goes to its descriptor."""
        adopted = self._sockets[descriptor] = StreamSocket(self, descriptor, listener, is_sse=is_sse, tls=tls)
        if tls is not None:
            descriptors.encrypt(descriptor, sender(tls))
        self._poll.add(descriptor)
        return adopted

    def close(self) -> None:
        """End all of them at once."""
        for adopted in list(self._sockets.values()):
            adopted.abort()
        self._loop.remove_reader(self._poll.fileno())
        self._poll.close()

    def _serve(self) -> None:
        for descriptor, events in self._poll.ready(BATCH):
            adopted = self._sockets.get(descriptor)
            if adopted is None:
                continue  # ended earlier in this batch
            if events & WRITE:
                adopted.flush()
            if events & ~WRITE and adopted.descriptor >= 0:
                adopted.read()

    def watch(self, descriptor: int, interest: int) -> None:
        self._poll.watch(descriptor, interest)

    def forget(self, descriptor: int) -> None:
        self._poll.remove(descriptor)
        forgotten = self._sockets.pop(descriptor)
        self.bound.forget(forgotten)
        self._unfinished.pop(forgotten, None)
        descriptors.forget(descriptor)
        os.close(descriptor)

    def note_message(self, adopted: StreamSocket, *, has_come: bool, is_unfinished: bool) -> None:
        """Start the time of a message that has begun. Earlier messages had a time of their own."""
        if has_come or not is_unfinished:
            self._unfinished.pop(adopted, None)
        if is_unfinished:
            self._unfinished.setdefault(adopted, self._loop.time() + MESSAGE_SECONDS)

    def sweep(self) -> None:
        """End the streams that did not get a whole message in time. While we do not read, no message can come."""
        now = self._loop.time()
        for adopted in [adopted for adopted, due in self._unfinished.items() if due < now]:
            del self._unfinished[adopted]
            if adopted.is_reading:
                adopted.end(UNFINISHED)
            else:
                self._unfinished[adopted] = now + MESSAGE_SECONDS

    def later(self, act: Callable[[], None]) -> None:
        """Act now if the peer has not acted in the time that it had."""
        self._loop.call_later(CLOSE_SECONDS, act)


class StreamSocket:
    """The wire (realtime.node.connections.Wire) of one stream.

    `direct_fd` is the descriptor while the mailbox is empty, else -1.
    """

    __slots__ = (
        "_inbound", "_interest", "_is_ending", "_mailbox", "_pings", "_sockets", "_tls", "descriptor", "direct_fd",
        "is_sse", "listener",
    )  # fmt: skip

    def __init__(
        self, sockets: Sockets, descriptor: int, listener: Listener, *, is_sse: bool, tls: ssl.SSLSocket | None
    ) -> None:
        self.descriptor = self.direct_fd = descriptor
        self.is_sse = is_sse
        self._sockets = sockets
        self._tls = tls
        self.listener = listener
        self._inbound = None if is_sse else Inbound()
        self._interest = READ
        self._mailbox: bytearray | None = None
        self._is_ending = False
        self._pings = 0

    # Writing

    def open(self, headers: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        lines = b"".join(b"%b: %b\r\n" % header for header in (*headers, *STREAM_HEADERS))
        self.put(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n" + http_chunk(first))

    def write(self, frames: Sequence[Frame]) -> None:
        self.put(b"".join(made.sse for made in frames) if self.is_sse else b"".join(made.websocket for made in frames))

    def answer(self, body: bytes) -> None:
        self.put(websocket_frame(body))

    def ping(self) -> None:
        if self.is_sse:
            self.put(HEARTBEAT_SSE)
        elif self._pings >= PINGS_MAX:
            self.abort()
        else:
            self._pings += 1
            if self._inbound is not None:
                self._inbound.extras = 0
            self.put(HEARTBEAT_WEBSOCKET)

    def put(self, data: bytes) -> None:
        """Write bytes that already have the protocol's form, after the bytes that wait."""
        if self._is_ending or self.descriptor < 0:
            return
        if self._mailbox is not None:
            self._mailbox += data
            self._sockets.bound.waits(self)
            return
        try:
            sent = descriptors.write(self.descriptor, data)
        except OSError as error:
            if not is_full(error):
                return  # the poll reads the same error and ends the connection
            sent = 0
        if sent < len(data):
            self.keep(data[sent:])

    def keep(self, rest: bytes) -> None:
        """Keep what the kernel did not take, to write it when the kernel has room."""
        self._mailbox = bytearray(rest)
        self.direct_fd = -1
        self._watch(self._interest | WRITE)
        self.listener.filled()
        self._sockets.bound.waits(self)

    def pending_bytes(self) -> int:
        return len(self._mailbox) if self._mailbox is not None else 0

    def flush(self) -> None:
        """The kernel has room again."""
        mailbox = self._mailbox
        if mailbox is not None:
            try:
                sent = descriptors.write(self.descriptor, mailbox)
            except OSError as error:
                if not is_full(error):
                    self._finish()
                return
            del mailbox[:sent]
            if mailbox:
                self._sockets.bound.took(self)
                return
            self._mailbox = None
            self._sockets.bound.forget(self)
        self._watch(self._interest & ~WRITE)
        if self._is_ending:
            self._half_close()
        else:
            self.direct_fd = self.descriptor

    # Reading

    def read(self) -> None:
        try:
            # Behind TLS, too, what nobody will take is read as it came.
            tls = self._tls if self._inbound is not None else None
            data = os.read(self.descriptor, READ_BYTES) if tls is None else tls.recv(READ_BYTES)
        except OSError as error:
            if is_full(error):
                return
            data = b""
        if not data:
            self._finish()
        elif self._is_ending:
            pass  # read and dropped: closing while data is unread would discard the goodbye
        elif self._inbound is None:
            # A viewer sends no more than the request. Without READ the end is still seen.
            self._watch(self._interest & ~READ)
        else:
            self.take(data)

    def take(self, data: bytes) -> None:
        """Take bytes that the client of a WebSocket has sent."""
        assert self._inbound is not None
        self._pings = 0
        has_come = False
        try:
            for opcode, payload in self._inbound.feed(data):
                if opcode == PING and isinstance(payload, bytes):
                    self.put(websocket_frame(payload, opcode=PONG))
                elif opcode == CLOSE and isinstance(payload, bytes):
                    self._end_input(close_code(payload))
                    return
                elif opcode != PONG:
                    has_come = True
                    self.listener.received(payload)
                if self._is_ending or self.descriptor < 0:
                    return
            self._sockets.note_message(self, has_come=has_come, is_unfinished=self._inbound.is_unfinished)
        except ProtocolError as error:
            self._end_input(error.code)

    def _end_input(self, code: int) -> None:
        """Take no more input. Send the goodbye when the earlier input is answered, or after `CLOSE_SECONDS`."""
        self._inbound = None
        self._watch(self._interest & ~READ)
        goodbye = partial(self.end, code)
        self._sockets.later(goodbye)
        self.listener.input_ended(goodbye)

    @property
    def is_reading(self) -> bool:
        return bool(self._interest & READ)

    def pause(self) -> None:
        """Read no more for now. The rest waits in the sender's kernel."""
        if self.descriptor >= 0:
            self._watch(self._interest & ~READ)

    def resume(self) -> None:
        if self.descriptor >= 0:
            self._watch(self._interest | READ)

    # The end

    def close(self, why: Closing) -> None:
        self.end(why.value)

    def end(self, code: int) -> None:
        """Send the goodbye of the protocol, after what waits; the peer closes."""
        if self._is_ending or self.descriptor < 0:
            return
        self.put(LAST_CHUNK if self.is_sse else websocket_frame(code.to_bytes(2, "big"), opcode=CLOSE))
        if self.descriptor < 0:
            return
        self._is_ending = True
        self.direct_fd = -1
        self.listener.filled()  # the goodbye is the last that is written
        self._sockets.later(self.abort)
        self._watch(self._interest | READ)
        if self._mailbox is None:
            self._half_close()

    def abort(self) -> None:
        if self.descriptor >= 0:
            # Close with a reset: this frees at once what the kernel still holds for a peer that does not read.
            self._as_socket(lambda peer: peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE))
            self._finish()

    def _half_close(self) -> None:
        if self._tls is not None:
            say_goodbye(self._tls)
        self._as_socket(lambda peer: peer.shutdown(socket.SHUT_WR))

    def _finish(self) -> None:
        self._sockets.forget(self.descriptor)
        self.descriptor = self.direct_fd = -1
        self._mailbox = self._tls = None
        listener = self.listener
        self.listener = _NO_LISTENER
        listener.gone()

    def _watch(self, interest: int) -> None:
        if interest != self._interest:
            self._interest = interest
            self._sockets.watch(self.descriptor, interest)

    def _as_socket(self, act: Callable[[socket.socket], None]) -> None:
        # With family and type given, the object costs no system call.
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=self.descriptor)
        try:
            act(borrowed)
        except OSError:
            pass  # gone already: the poll reports it
        finally:
            borrowed.detach()


class _NoListener:
    def received(self, message: str | bytes) -> None: ...

    def input_ended(self, goodbye: Callable[[], None]) -> None: ...

    def filled(self) -> None: ...

    def gone(self) -> None: ...


_NO_LISTENER = _NoListener()
