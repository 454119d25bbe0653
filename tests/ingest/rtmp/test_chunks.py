"""Chunk streams: however messages are cut and mixed, they come out whole; what is kept for a peer is bounded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rtmp.chunks import CHUNK_STREAMS_MAX, BadRtmp, ChunkReader, RtmpMessage
from tests.ingest.rtmp.client import AUDIO, PATIENT, VIDEO, basic_header, chunks, header, message

MOST = 10_000


@pytest.fixture
def reader() -> ChunkReader:
    return ChunkReader(message_max_bytes=MOST)


def read(reader: ChunkReader, data: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, timestamp and payload of each message."""
    return [(found.kind, found.timestamp_ms, bytes(found.payload)) for found in reader.receive(data)]


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    at = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12)))
    return [data[start:end] for start, end in itertools.pairwise([0, *at, len(data)])]


@PATIENT
@given(
    st.data(),
    st.integers(1, 300),
    st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=700)), min_size=1, max_size=4),
)
def test_messages_of_several_streams_in_turns_come_out_whole(
    data: st.DataObject, chunk_bytes: int, sent: list[tuple[int, bytes]]
) -> None:
    """Each on a chunk stream of its own, of ids of one, two and three bytes, a chunk of each in turn, cut anywhere."""
    ids = [3, 64, 319, 320, 65_599]
    rows = [
        chunks(VIDEO, payload, time=time, id=id, chunk_bytes=chunk_bytes)
        for id, (time, payload) in zip(ids, sent, strict=False)
    ]
    wire = b"".join(piece for turn in itertools.zip_longest(*rows, fillvalue=b"") for piece in turn)
    reader = ChunkReader(message_max_bytes=MOST)
    reader.chunk_bytes = chunk_bytes
    found = [got for piece in data.draw(cut(wire)) for got in read(reader, piece)]
    assert sorted(found) == sorted((VIDEO, time, payload) for time, payload in sent)


@PATIENT
@given(st.binary(max_size=600))
def test_any_bytes_are_messages_or_bad(data: bytes) -> None:
    try:
        read(ChunkReader(message_max_bytes=MOST), data)
    except BadRtmp as error:
        assert str(error)


def test_short_headers_take_the_rest_from_the_one_before(reader: ChunkReader) -> None:
    wire = b"".join(
        [
            *chunks(AUDIO, b"one", time=1000),
            *chunks(AUDIO, b"fours", time=20, form=1),
            *chunks(AUDIO, b"fives", time=30, form=2),
            *chunks(AUDIO, b"sixes", form=3),
        ]
    )
    assert read(reader, wire) == [
        *((AUDIO, 1000, b"one"), (AUDIO, 1020, b"fours"), (AUDIO, 1050, b"fives"), (AUDIO, 1080, b"sixes"))
    ]


def test_bare_chunk_after_a_timestamp_steps_by_it(reader: ChunkReader) -> None:
    """Section 5.3.1.2.4, and what ffmpeg sends when the first timestamp is also the step to the second."""
    wire = message(AUDIO, b"one", time=23) + basic_header(3, 4) + b"two"
    assert read(reader, wire) == [(AUDIO, 23, b"one"), (AUDIO, 46, b"two")]


def test_timestamps_beyond_24_bits_come_in_four_bytes_with_every_chunk(reader: ChunkReader) -> None:
    payload = bytes(300)
    assert read(reader, message(VIDEO, payload, time=0x01020304)) == [(VIDEO, 0x01020304, payload)]


def test_timestamps_start_again_after_32_bits(reader: ChunkReader) -> None:
    wire = message(AUDIO, b"one", time=0xFFFFFFF0) + b"".join(chunks(AUDIO, b"two", time=0x20, form=1))
    assert read(reader, wire) == [(AUDIO, 0xFFFFFFF0, b"one"), (AUDIO, 0x10, b"two")]


def test_new_chunk_size_counts_from_the_next_chunk(reader: ChunkReader) -> None:
    wire = message(VIDEO, b"a") + message(VIDEO, bytes(500), chunk_bytes=1)
    found = []
    for got in reader.receive(wire):
        reader.chunk_bytes = 1
        found.append(len(got.payload))
    assert found == [1, 500]


def test_aborted_message_is_forgotten(reader: ChunkReader) -> None:
    [first, *_] = chunks(VIDEO, bytes(300))
    assert read(reader, first) == []
    reader.abort(4)
    assert read(reader, message(VIDEO, b"another")) == [(VIDEO, 0, b"another")]


def test_aborting_gives_the_room_back(reader: ChunkReader) -> None:
    for _ in range(300):
        [first, *_] = chunks(VIDEO, bytes(300))
        read(reader, first)
        reader.abort(4)


def test_empty_message_comes_out_at_once(reader: ChunkReader) -> None:
    assert read(reader, message(AUDIO, b"")) == [(AUDIO, 0, b"")]


def test_giant_message_is_refused_by_its_header(reader: ChunkReader) -> None:
    with pytest.raises(BadRtmp, match="16777215 bytes"):
        read(reader, basic_header(0, 4) + header(0, VIDEO, 0xFFFFFF, 0))


def test_messages_under_way_have_one_room_together(reader: ChunkReader) -> None:
    """Else a peer could begin a large one on each of 65,000 chunk streams, and end none."""
    reader.chunk_bytes = MOST - 1
    begun = [chunks(VIDEO, bytes(MOST), id=id, chunk_bytes=MOST - 1)[0] for id in (4, 5)]
    with pytest.raises(BadRtmp, match="at a time"):
        read(reader, b"".join(begun))


def test_chunk_streams_are_counted(reader: ChunkReader) -> None:
    ids = range(3, 3 + CHUNK_STREAMS_MAX)
    assert len(read(reader, b"".join(message(AUDIO, b"a", id=id) for id in ids))) == CHUNK_STREAMS_MAX
    with pytest.raises(BadRtmp, match="too many"):
        read(reader, message(AUDIO, b"a", id=4000))


@pytest.mark.parametrize("form", [2, 3])
def test_chunk_without_a_header_before_it_is_bad(reader: ChunkReader, form: int) -> None:
    with pytest.raises(BadRtmp, match="without a header"):
        read(reader, basic_header(form, 4) + bytes(20))


def test_message_inside_another_is_bad(reader: ChunkReader) -> None:
    [first, *_] = chunks(VIDEO, bytes(300))
    with pytest.raises(BadRtmp, match="inside another"):
        read(reader, first + first)


def test_what_is_known_of_a_message_is_handed_on(reader: ChunkReader) -> None:
    assert list(reader.receive(message(99, b"x", time=7))) == [RtmpMessage(99, 7, 1, bytearray(b"x"))]
