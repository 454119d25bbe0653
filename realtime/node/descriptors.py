"""Writing to a connection's descriptor: the bytes as they are, or encrypted where the connection is behind TLS.

Hop: the last one. The fan-out (realtime.node.fanout) knows only descriptors. The edge (realtime.edge.sockets) says here
which of them need more than the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Callable

WriteSome = Callable[[bytes | bytearray], int]
senders: dict[int, WriteSome] = {}
"""What writes to a descriptor in place of `os.write`, for those that need it."""


def encrypt(descriptor: int, send: WriteSome) -> None:
    """Write to the descriptor with `send` from now on, which returns how many bytes were taken."""
    senders[descriptor] = send


def forget(descriptor: int) -> None:
    """The descriptor is closed: its number may soon be that of another connection."""
    senders.pop(descriptor, None)


def write(descriptor: int, data: bytes | bytearray) -> int:
    """Write without waiting, as `os.write` does. Where it is encrypted, what was not taken must come again first."""
    send = senders.get(descriptor)
    return os.write(descriptor, data) if send is None else send(data)
