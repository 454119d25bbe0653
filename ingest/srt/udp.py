"""A UDP socket in the event loop. What cannot be sent at once is dropped: SRT sends again what is lost.

Called by ingest.srt.server, for the port that encoders know, and by ingest.srt.caller, towards ffmpeg.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

DATAGRAM_MAX_BYTES = 2048
BURST = 64
"""So many datagrams are taken before it is somebody else's turn."""
BUFFER_BYTES = 2 * 1024 * 1024

TakePacket = Callable[[bytes, Any], None]


class UdpSocket:
    """Open from the start. `receive` gets each datagram and its sender's address, in the loop's own form."""

    def __init__(self, host: str, port: int, receive: TakePacket) -> None:
        """Raises OSError."""
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
        self._receive = receive
        self._socket = socket.socket(family, kind)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    @property
    def port(self) -> int:
        bound: int = self._socket.getsockname()[1]
        return bound

    def send(self, data: bytes, address: Any) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(data, address)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # there is no more, or the last one could not be delivered
            for _ in range(BURST):
                self._receive(*self._socket.recvfrom(DATAGRAM_MAX_BYTES))


def free_port() -> int:
    """Return a port on loopback that nobody listens at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


LOOPBACK = "127.0.0.1"
