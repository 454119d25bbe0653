"""A connection in Twisted's hands, under the bound for every byte to a peer, and able to send a file by itself.

Made by the listening port of the server (realtime.edge.server) in place of Twisted's own. Everything that Twisted,
Daphne and Autobahn write passes here: answers, pages, pongs, TLS records. A writer waits for `room` if it has more than
a little to write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.internet import main, tcp

from realtime.edge.bound import Bound
from realtime.node.connections import is_full

_Server: Any = tcp.Server  # its methods have no types

ROOM_BYTES = 64 * 1024  # there is room for more when fewer bytes than this wait
PIECE_BYTES = 64 * 1024  # bytes of a page written at once, or of a file handed to the kernel in one turn
UNSENT_MAX_BYTES = 128 * 1024  # bytes in the kernel, besides those on the way to the peer
# The same, and the piece of a turn, of a file: what waits there are pages of the kernel's cache, and no copies.
FILE_UNSENT_MAX_BYTES = FILE_PIECE_BYTES = 2 * 1024 * 1024


def pending_bytes(transport: tcp.Connection) -> int:
    """Return what was written and waits in Twisted's buffers."""
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def _let_wait(sock: socket.socket, unsent_bytes: int) -> None:
    """Have the kernel ask for more when fewer bytes than that are left to send."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent_bytes)


@dataclass(slots=True)
class FileSending:
    """A part of a file that is being sent, from `start` to `end`: the bytes from `at` on are left."""

    descriptor: int
    start: int
    end: int
    done: Callable[[], Any]
    at: int = 0


class Transport(_Server):  # type: ignore[misc]
    """Implements realtime.edge.bound.Reader."""

    def __init__(self, bound: Bound, sock: socket.socket, *args: Any) -> None:
        super().__init__(sock, *args)
        self._bound = bound
        self._room: asyncio.Future[None] | None = None
        self._sending: FileSending | None = None
        self.on_room: Callable[[], Any] | None = None  # called when there is room
        _let_wait(sock, UNSENT_MAX_BYTES)

    def pending_bytes(self) -> int:
        return pending_bytes(self)

    def abort(self) -> None:
        self.abortConnection()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._note()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        super().writeSequence(iovec)
        self._note()

    def _note(self) -> None:
        if self.connected and self.pending_bytes():
            self._bound.waits(self)

    async def room(self) -> None:
        """Wait until most of what was written has been taken, or the connection has ended."""
        while self.connected and self.pending_bytes() > ROOM_BYTES:
            self._room = self._room or asyncio.get_running_loop().create_future()
            await self._room

    async def send_file(self, descriptor: int, start: int, end: int) -> None:
        """Send the bytes of a file from `start` up to `end`, after what waits. The kernel reads the file itself.

        Returns when they were taken, or when the connection has ended.
        """
        if not self.connected or start >= end:
            return
        sent = asyncio.Event()
        self.start_file(descriptor, start, end, sent.set)
        try:
            await sent.wait()
        finally:
            self._sending = None

    def start_file(self, descriptor: int, start: int, end: int, done: Callable[[], Any]) -> None:
        """Begin to send a file as `send_file` does; call `done` when that returns, which may be at once."""
        sending = self._sending = FileSending(descriptor, start, end, done, at=start)
        self._bound.waits(self)
        if end - start > UNSENT_MAX_BYTES:
            _let_wait(self.socket, FILE_UNSENT_MAX_BYTES)
        if not self.pending_bytes() and self._write_file(sending) is not None:
            self.abortConnection()
        elif self._sending is sending:
            self.startWriting()

    def write_now(self, data: bytes) -> None:
        """Write before anything else happens, if nothing waits: in one packet with what comes next."""
        sent = 0
        if not self.pending_bytes():
            with contextlib.suppress(OSError):  # full, or the peer has gone, as the next write will find out
                sent = self.socket.send(data, socket.MSG_MORE)
        if sent < len(data):
            self.write(data[sent:])

    def write_at_once(self, data: bytes) -> None:
        """Write without waiting for the loop's next turn, if nothing waits."""
        if not self.pending_bytes():
            sent = self.writeSomeData(data)
            data = data[sent:] if isinstance(sent, int) else data  # else the next write finds out
        if data:
            self.write(data)

    def doWrite(self) -> Any:
        before = self.pending_bytes()
        if self._sending is not None and not before:
            return self._write_file(self._sending)
        ended = super().doWrite()
        left = self.pending_bytes()
        if left <= ROOM_BYTES:
            self._wake()
        if self._sending is not None:
            self.startWriting()
        if left < before and (left or self._sending is not None):
            self._bound.took(self)
        elif not left and self._sending is None:
            self._bound.forget(self)
        if left <= ROOM_BYTES and self.on_room is not None and self.connected:
            self.on_room()
        return ended

    def _write_file(self, sending: FileSending) -> Any:
        try:
            sent = self._send_piece(sending)
        except OSError as error:
            return None if is_full(error) else main.CONNECTION_LOST
        if not sent:
            return main.CONNECTION_LOST  # the file is shorter than was promised
        sending.at += sent
        if sending.at < sending.end:
            self._bound.took(self)
            return None
        self._bound.forget(self)
        self.stopWriting()
        if sending.at - sending.start > UNSENT_MAX_BYTES:
            _let_wait(self.socket, UNSENT_MAX_BYTES)
        self._end_file()
        return None

    def _send_piece(self, sending: FileSending) -> int:
        """Send what the kernel takes of the file; return how many bytes that was. Raises OSError."""
        return os.sendfile(
            self.socket.fileno(), sending.descriptor, sending.at, min(FILE_PIECE_BYTES, sending.end - sending.at)
        )

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _end_file(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.done()

    def connectionLost(self, reason: Any) -> None:
        self.on_room = None
        self._bound.forget(self)
        super().connectionLost(reason)
        self._wake()
        self._end_file()
