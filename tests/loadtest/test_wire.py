"""Bytes to blocks: the same however the bytes are cut, and as browsers read them."""

from __future__ import annotations

import pytest

from loadtest.check import fields_of
from loadtest.wire import (
    Broken,
    EventStreamReader,
    WebSocketReader,
    parse_head,
)
from realtime.websocket import websocket_frame


def test_an_event_stream_reads_the_same_however_its_bytes_are_cut() -> None:
    events = b"".join(b"event: e%d\r\ndata: {}\n\n" % number for number in range(3)) + b": hb\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (events[:7], events[7:30], events[30:]))
    whole = EventStreamReader(chunked=True).feed(body)

    for size in range(1, len(body)):
        stream = EventStreamReader(chunked=True)
        parts = [block for at in range(0, len(body), size) for block in stream.feed(body[at : at + size])]
        assert parts == whole
        assert stream.between_blocks
    assert [block.splitlines()[0] for block in whole] == [b"event: e0", b"event: e1", b"event: e2"]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n", ["message 1", "message 3"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\ndata: 3\n\n", ["message 2", "message 3"]),
        (b"data: 1\n:\x00\n:\r\ndata: 2\n:hb\r\n:\rdata: 3\r:data: fail\r\n\r\n", ["message 1,2,3"]),
        (b"data:1\ndata\ndata:2\n\n", ["message 1,,2"]),
        (b"event:  \ndata: 1\n\nevent: end\ndata: 2\n\n", ["  1", "end 2"]),
        (b"event: \ndata: 1\n\n", ["message 1"]),
        (b"event\ndata: 1\n\n", ["message 1"]),
        (b"data: 1\r\ndata\ndata: 2\r\r", ["message 1,,2"]),
        (b"data: 1\r\n\r", ["message 1"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", ["message 1", "message 2"]),
        (b" data: 1\ndata:2\n\n", ["message 2"]),
        (b"data:\t1\rData:2\ndata:\n\n", ["message \t1,"]),
        (b"data: 1\nfoobar: 2\nid: 3\nretry: 4\n\n", ["message 1"]),
        (b"event: 1\n\ndata: 2\n\n", ["message 2"]),
        (b": hb\n: hb\ndata: 1\n\n: hb\n", ["message 1"]),
        ("data: \u2026\n\n".encode(), ["message \u2026"]),
        (b"data: never\n", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_an_event_stream_is_read_as_browsers_read_it(body: bytes, events: list[str], size: int) -> None:
    """What the web platform's own tests send (eventsource/format-*): a BOM, an empty name, a CR at the end."""
    stream = EventStreamReader(chunked=False)
    blocks = [block for at in range(0, len(body), size) for block in stream.feed(body[at : at + size])]
    found = [fields for block in blocks if (fields := fields_of(block)) is not None]
    assert [f"{name} {data.decode()}".replace("\n", ",") for name, data in found] == events
    assert stream.between_blocks is (events != [])


def test_an_event_stream_knows_when_it_is_inside_a_block_or_chunk() -> None:
    stream = EventStreamReader(chunked=True)
    stream.feed(b"5\r\ndata:\r\n")
    assert not stream.between_blocks
    assert stream.feed(b"4\r\n {}\n\r\n") == []
    assert stream.feed(b"1\r\n\n\r\n") == [b"data: {}"]
    assert stream.between_blocks


def test_an_event_stream_ends_with_its_last_chunk() -> None:
    stream = EventStreamReader(chunked=True)
    stream.feed(b"0\r\n\r\n")
    assert stream.ended


@pytest.mark.parametrize("nonsense", [b"hello\r\n", b"-1\r\n", b"3\r\nabcde", b"fffffffff\r\n"])
def test_a_broken_chunk_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(Broken):
        EventStreamReader(chunked=True).feed(nonsense)


def test_websocket_messages_read_the_same_however_their_bytes_are_cut() -> None:
    long = b"x" * 70_000
    frames = (
        websocket_frame(b"one")
        + b"\x01\x02tw"
        + websocket_frame(b"", opcode=9)
        + b"\x80\x01o"
        + b"\x81\x7f"
        + len(long).to_bytes(8, "big")
        + long
    )
    for size in (1, 2, 3, 5, 1_000, len(frames)):
        stream = WebSocketReader()
        parts = [block for at in range(0, len(frames), size) for block in stream.feed(frames[at : at + size])]
        assert parts == [b"one", b"two", long]
        assert stream.between_blocks


def test_a_websocket_ping_is_answered_with_its_own_payload() -> None:
    stream = WebSocketReader()
    assert stream.feed(websocket_frame(b"echo", opcode=9)) == []
    reply = stream.take_replies()
    assert reply[0] == 0x8A
    assert bytes(byte ^ reply[2 + at % 4] for at, byte in enumerate(reply[6:])) == b"echo"
    assert stream.take_replies() == b""


@pytest.mark.parametrize("nonsense", [b"\x81\x85abcd", b"\xc1\x00", b"\x83\x00", b"\x81\x7f\xff" + b"\xff" * 7])
def test_a_frame_that_no_server_may_send_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(Broken):
        WebSocketReader().feed(nonsense)


def test_a_head_is_read_once_it_is_whole() -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\nA: b\r\n") is None
    parsed = parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nrest")
    assert parsed
    assert parsed[0].chunked
    assert parsed[1] == b"rest"
    with pytest.raises(Broken):
        parse_head(b"SSH-2.0\r\n\r\n")
