"""AMF0: the values in which RTMP writes its commands and the facts about a stream.

Called by the session (ingest.rtmp.session) and by what reads the facts (ingest.rtmp.health). References are not read:
no encoder sends them. Source: Adobe, "Action Message Format -- AMF 0" (2007).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TypeAlias

Value: TypeAlias = "float | bool | str | list[Value] | dict[str, Value] | None"

_DEPTH_MAX = 8


class BadAmf(Exception):
    """The bytes are no AMF0, or more nested than any encoder's."""


class _Kind(IntEnum):
    NUMBER = 0
    BOOLEAN = 1
    STRING = 2
    OBJECT = 3
    NULL = 5
    UNDEFINED = 6
    ECMA_ARRAY = 8
    OBJECT_END = 9
    STRICT_ARRAY = 10
    DATE = 11
    LONG_STRING = 12
    UNSUPPORTED = 13
    XML = 15
    TYPED_OBJECT = 16


def encode(*values: Value) -> bytes:
    """Return the values one after the other. A text has 65,535 bytes at most."""
    return b"".join(_encoded(value) for value in values)


def decode(data: bytes | bytearray) -> list[Value]:
    """Return all values. Raises BadAmf."""
    decoder = _Decoder(bytes(data))
    values = []
    while not decoder.is_done:
        values.append(decoder.value())
    return values


def _encoded(value: Value) -> bytes:
    if value is None:
        return bytes([_Kind.NULL])
    if isinstance(value, bool):
        return bytes([_Kind.BOOLEAN, value])
    if isinstance(value, (int, float)):
        return struct.pack(">Bd", _Kind.NUMBER, value)
    if isinstance(value, str):
        return bytes([_Kind.STRING]) + _text(value)
    if isinstance(value, list):
        return struct.pack(">BI", _Kind.STRICT_ARRAY, len(value)) + encode(*value)
    fields = b"".join(_text(name) + _encoded(part) for name, part in value.items())
    return bytes([_Kind.OBJECT]) + fields + _text("") + bytes([_Kind.OBJECT_END])


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._data)

    def value(self, depth: int = 0) -> Value:
        if depth > _DEPTH_MAX:
            raise BadAmf("values are nested too deep")
        kind = self._take(1)[0]
        match kind:
            case _Kind.NUMBER:
                return float(struct.unpack(">d", self._take(8))[0])
            case _Kind.BOOLEAN:
                return self._take(1) != b"\0"
            case _Kind.STRING:
                return self._text(2)
            case _Kind.LONG_STRING | _Kind.XML:
                return self._text(4)
            case _Kind.NULL | _Kind.UNDEFINED | _Kind.UNSUPPORTED:
                return None
            case _Kind.DATE:
                return float(struct.unpack(">d2x", self._take(10))[0])
            case _Kind.STRICT_ARRAY:
                return [self.value(depth + 1) for _ in range(self._number(4))]
            case _Kind.OBJECT:
                return self._fields(depth)
            case _Kind.ECMA_ARRAY:
                self._take(4)  # about how many there are: the end says it
                return self._fields(depth)
            case _Kind.TYPED_OBJECT:
                self._text(2)
                return self._fields(depth)
        raise BadAmf(f"there is no value of kind {kind}")

    def _fields(self, depth: int) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        while (name := self._text(2)) or self._data[self._at : self._at + 1] != bytes([_Kind.OBJECT_END]):
            fields[name] = self.value(depth + 1)
        self._take(1)
        return fields

    def _text(self, length_bytes: int) -> str:
        return self._take(self._number(length_bytes)).decode(errors="replace")

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise BadAmf("a value ends too early")
        self._at += size
        return taken
