"""Boxes come out whole however the bytes come in, and what is no box is refused in words."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.packager.boxes import BoxReader, MalformedBox, children, find


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


@given(st.lists(st.binary(max_size=50), max_size=8), st.data())
def test_boxes_come_out_whole_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(box(b"free", body) for body in bodies)
    reader, found = BoxReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += [bytes(one.body) for one in reader.feed(stream[:size])]
        stream = stream[size:]
    assert found == bodies


def test_a_size_of_64_bits_is_read() -> None:
    stream = struct.pack(">I4sQ", 1, b"mdat", 20) + b"four"
    (found,) = [one for byte in stream for one in BoxReader().feed(stream)][:1]
    assert bytes(found.body) == b"four"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (struct.pack(">I4s", 0, b"mdat"), "fewer than its header"),
        (struct.pack(">I4s", 7, b"free"), "fewer than its header"),
        (struct.pack(">I4sQ", 1, b"mdat", 15), "fewer than its header"),
        (struct.pack(">I4sQ", 1, b"mdat", 1 << 62), "the limit is 33554432"),
        (b"GET / HTTP/1.1\r\n", "the limit is 33554432"),
    ],
)
def test_what_is_no_box_is_refused_in_words(start: bytes, words: str) -> None:
    with pytest.raises(MalformedBox, match=words):
        list(BoxReader().feed(start))


def test_a_reader_that_stops_finds_the_rest_later() -> None:
    reader = BoxReader()
    next(iter(reader.feed(box(b"ftyp") + box(b"moov"))))
    assert [one.kind for one in reader.feed(b"")] == ["moov"]


def test_a_box_longer_than_what_holds_it_is_refused() -> None:
    with pytest.raises(MalformedBox, match="'trak' has 100 bytes where 8 are left"):
        list(children(memoryview(struct.pack(">I4s", 100, b"trak"))))


def test_a_box_that_is_missing_is_named() -> None:
    with pytest.raises(MalformedBox, match="no box 'stsd'"):
        find(memoryview(box(b"stbl", box(b"stts"))), "stbl", "stsd")
