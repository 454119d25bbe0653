"""One viewer and its socket: what it watches, how it behaves, how it connects. Called by `viewers`."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from loadtest.check import ViewedTopic
from loadtest.machine import Address, source_for
from loadtest.secure import secured
from loadtest.wire import Stream

OPENING_MAX = 1_024
"""Connections that are being opened at a time, by all processes: fewer than any server's listen backlog, and enough to
keep the server busy. With six times as many, 100,000 viewers waited for a busy site, gave up, and made it busier."""
RETRY_MS = 1_000
SLOW_BUFFER_BYTES, SLOW_SEGMENT_BYTES = 8_192, 1_400
"""The sizes of a phone on a slow line. On loopback, segments of 64 KB and a small buffer stall for minutes: the window
stays shut until the buffer has room for a whole segment."""
IP_BIND_ADDRESS_NO_PORT = 24  # Linux: choose the port at connect. It must be unused only for that destination


class StreamKind(Enum):
    SSE = "sse"
    WEBSOCKET = "ws"
    MIX = "mix"  # every second viewer by WebSocket

    def is_websocket(self, number: int) -> bool:
        return self is StreamKind.WEBSOCKET or (self is StreamKind.MIX and number % 2 == 1)


class Manner(Enum):
    """How a viewer behaves under load."""

    STEADY = "steady"
    SLOW = "slow"  # reads far too slowly
    FLAPPING = "flapping"  # closes and comes back, again and again


class Phase(Enum):
    """Where a connection is between the first packet and the last."""

    CLOSED = 0  # waits for its turn
    CONNECTING = 1
    SECURING = 2  # the handshake of TLS
    ASKED = 3  # the request is written, the head has not come
    ANSWERED = 4  # the head has come, the hello has not
    WATCHING = 5
    GONE = 6  # the site has said not to come back


class ViewerConnection(ViewedTopic):
    """One viewer and its present socket."""

    __slots__ = (
        "address", "attempts", "deadline", "descriptor", "is_websocket", "kept", "manner", "name", "number", "phase",
        "plain", "retry_ms", "secure", "seen", "stream", "visit",
    )  # fmt: skip

    def __init__(self, number: int, address: Address, *, is_websocket: bool, manner: Manner) -> None:
        super().__init__()
        self.number = number
        self.address = address
        self.is_websocket = is_websocket
        self.manner = manner
        self.visit = 0  # counts its connections
        self.phase = Phase.CLOSED
        self.descriptor = -1
        self.secure: ssl.SSLSocket | None = None  # the socket of this descriptor, where it speaks TLS
        self.stream: Stream | None = None
        self.kept = b""  # of an incomplete head
        self.plain = False  # it watches and is between two blocks: bytes that were read before need no parsing
        self.attempts = 0
        self.retry_ms = RETRY_MS
        self.deadline = 0.0
        self.name = ""  # the site's name of the connection, if it is to acknowledge frames
        self.seen: list[tuple[int, float]] = []  # by number, and when by `time.time()`

    def shake_hands(self) -> None:
        """Go on with the handshake of TLS. Raises SSLWantReadError until it is done; OSError."""
        if self.secure is None:
            self.secure = secured(self.descriptor, self.address)
        self.secure.do_handshake()

    def read(self, most_bytes: int) -> bytes:
        """Return what has come; empty: the end. Raises BlockingIOError or SSLWantReadError: nothing; OSError."""
        return os.read(self.descriptor, most_bytes) if self.secure is None else self.secure.recv(most_bytes)

    def write(self, data: bytes) -> int:
        """Return how many bytes the socket has taken. Raises OSError."""
        return os.write(self.descriptor, data) if self.secure is None else self.secure.send(data)

    def hang_up(self) -> None:
        if self.secure is not None:
            self.secure.detach()
            self.secure = None
        os.close(self.descriptor)
        self.descriptor = -1


@dataclass(frozen=True, slots=True)
class Watch:
    """What the viewers watch, and how they get there."""

    topic: str
    addresses: Sequence[Address]
    transport: StreamKind
    ramp_seconds: float = 0.0
    openings_max: int = OPENING_MAX  # of each process
    slow_percent: int = 0
    flapping_percent: int = 0
    stay_seconds: tuple[float, float] = (0.5, 5.0)  # how long a flapping viewer stays, at random between the two

    def manner(self, number: int) -> Manner:
        place = number * 37 % 100  # takes every place once in a hundred, by either transport
        if place < self.slow_percent:
            return Manner.SLOW
        return Manner.FLAPPING if place < self.slow_percent + self.flapping_percent else Manner.STEADY


@dataclass(slots=True)
class Counts:
    """What happened to the connections. If the site cuts a slow viewer off, that is no trouble: it is what we test."""

    frames: int = 0
    connected_once: int = 0
    reconnects: int = 0
    gone: int = 0
    flaps: int = 0  # of flapping viewers, by themselves
    evictions: int = 0  # of slow viewers, by the site
    troubles: Counter[str] = field(default_factory=Counter)


def dial(viewer: ViewerConnection) -> tuple[int, int]:
    """Begin to connect the viewer; return the descriptor and the error number so far. Raises OSError: no socket."""
    plain = socket.socket(viewer.address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if viewer.manner is Manner.SLOW:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SLOW_SEGMENT_BYTES)
        if source := source_for(viewer.address, viewer.number):
            plain.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            plain.bind((source, 0))
        code = plain.connect_ex(viewer.address.socket_address)
    except OSError as error:
        code = error.errno or errno.EINVAL
    return plain.detach(), code


def connect_error(descriptor: int) -> int:
    """Return the error number of a finished connect, 0 for none."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        return borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    finally:
        borrowed.detach()
