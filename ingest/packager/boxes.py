"""Boxes of MP4: cut out of bytes that arrive in any pieces, and the fields in them.

Called by the packager (top-level boxes), `movie`, `codecs` and `fragments` (what is in them). Holds at most one box.
Source: ISO/IEC 14496-12, section 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

BOX_MAX_BYTES = 32 * 1024 * 1024
"""200 ms at 60 Mbit/s are 1.5 MB: what is that much larger is no fragment, and would fill the memory."""
_HEADER = struct.Struct(">I4s")
_LONG_HEADER_BYTES = 16


class MalformedBox(ValueError):
    """These bytes are no MP4 that can be packaged; the message says why, in words."""


@dataclass(frozen=True, slots=True)
class Box:
    """A whole box: `data` with its header of `header_bytes`."""

    kind: str
    data: bytes
    header_bytes: int = 8

    @property
    def body(self) -> memoryview:
        return memoryview(self.data)[self.header_bytes :]


class BoxReader:
    """Cuts a stream of bytes into its top-level boxes."""

    def __init__(self, *, box_max_bytes: int = BOX_MAX_BYTES) -> None:
        self._box_max_bytes = box_max_bytes
        self._buffer = bytearray()

    def clear(self) -> None:
        """Forget a box that has not come whole."""
        self._buffer.clear()

    def feed(self, data: bytes) -> Iterator[Box]:
        """Yield the boxes that are whole now. A reader that stops early finds the rest at the next call.

        Raises MalformedBox for a size that cannot be or is over the limit.
        """
        self._buffer += data
        while (header := self._header()) is not None:
            kind, header_bytes, size = header
            if len(self._buffer) < size:
                return
            box = Box(kind, bytes(self._buffer[:size]), header_bytes)
            del self._buffer[:size]
            yield box

    def _header(self) -> tuple[str, int, int] | None:
        if len(self._buffer) < _HEADER.size:
            return None
        size, code = _HEADER.unpack_from(self._buffer)
        header_bytes = _HEADER.size
        if size == 1:  # the size follows in 64 bits
            header_bytes = _LONG_HEADER_BYTES
            if len(self._buffer) < header_bytes:
                return None
            size = int.from_bytes(self._buffer[_HEADER.size : header_bytes], "big")
        kind = code.decode("latin-1")
        if size < header_bytes:
            raise MalformedBox(f"The box {kind!r} says that it has {size} bytes, fewer than its header.")
        if size > self._box_max_bytes:
            raise MalformedBox(f"The box {kind!r} has {size} bytes; the limit is {self._box_max_bytes}.")
        return kind, header_bytes, size


def children(body: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Yield kind and body of each box in a box. Raises MalformedBox when one is longer than what holds it."""
    while len(body) >= _HEADER.size:
        size, code = _HEADER.unpack_from(body)
        if not _HEADER.size <= size <= len(body):
            raise MalformedBox(f"The box {code.decode('latin-1')!r} has {size} bytes where {len(body)} are left.")
        yield code.decode("latin-1"), body[_HEADER.size : size]
        body = body[size:]


def find(body: memoryview, *path: str) -> memoryview:
    """Return the body of the first box at such a path. Raises MalformedBox when there is none."""
    for kind in path:
        found = next((inner for name, inner in children(body) if name == kind), None)
        if found is None:
            raise MalformedBox(f"There is no box {kind!r} where one must be.")
        body = found
    return body


class Fields:
    """Reads the numbers of a box, one after the other. Raises MalformedBox when the box ends before them."""

    def __init__(self, body: memoryview) -> None:
        self._rest = body

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def numbers(self, count: int) -> tuple[int, ...]:
        """Read numbers of 32 bits."""
        return struct.unpack(f">{count}I", self.take(4 * count))

    def take(self, size: int) -> memoryview:
        if size > len(self._rest):
            raise MalformedBox(f"A box ends {size - len(self._rest)} bytes too early.")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
