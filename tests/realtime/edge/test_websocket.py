"""What WebSocket peers send, read as RFC 6455 has it: whole messages, however the bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.websocket import (
    BINARY,
    CLOSE,
    EXTRAS_MAX,
    MESSAGE_MAX_BYTES,
    PING,
    PONG,
    TEXT,
    FromServer,
    Inbound,
    ProtocolError,
    accept_key,
    client_frame,
    close_code,
    websocket_frame,
)

messages = st.one_of(
    st.tuples(st.just(TEXT), st.text(max_size=300)),
    st.tuples(st.just(BINARY), st.binary(max_size=300)),
    st.tuples(st.sampled_from((CLOSE, PING, PONG)), st.binary(max_size=125)),
)


def encoded(opcode: int, payload: str | bytes) -> bytes:
    return client_frame(payload.encode() if isinstance(payload, str) else payload, opcode=opcode)


def fragment(payload: bytes, *, opcode: int, final: bool) -> bytes:
    frame = client_frame(payload, opcode=opcode)
    return bytes((frame[0] & 0x7F | (0x80 if final else 0),)) + frame[1:]


def test_key_of_the_rfc() -> None:
    """RFC 6455, section 1.3."""
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("key", [b"", b"short", b"dGhlIHNhbXBsZSBub25jZQ", b"!" * 24, "ü".encode() * 12])
def test_key_that_is_none(key: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        accept_key(key)


@given(st.lists(messages, max_size=8), st.data())
def test_messages_come_out_as_they_went_in_however_the_bytes_are_cut(
    sent: list[tuple[int, str | bytes]], data: st.DataObject
) -> None:
    stream = b"".join(encoded(*message) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    inbound = Inbound()
    got: list[tuple[int, str | bytes]] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += inbound.feed(stream[start:end])
    assert got == sent


@given(st.lists(messages, max_size=8), st.data())
def test_a_client_reads_what_a_server_sends_however_the_bytes_are_cut(
    sent: list[tuple[int, str | bytes]], data: st.DataObject
) -> None:
    """A text stays bytes: the load generator reads the same one for thousands of viewers."""
    payloads = [(opcode, body.encode() if isinstance(body, str) else body) for opcode, body in sent]
    stream = b"".join(websocket_frame(payload, opcode=opcode) for opcode, payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    inbound = FromServer()
    got = [
        message
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for message in inbound.feed(stream[start:end])
    ]
    assert got == payloads
    assert not inbound.is_unfinished


def test_a_client_takes_long_messages_and_any_number_of_pings_and_no_masked_frame() -> None:
    long = b"x" * (MESSAGE_MAX_BYTES + 1)
    inbound = FromServer()
    assert list(inbound.feed(websocket_frame(long))) == [(TEXT, long)]
    assert len(list(inbound.feed(websocket_frame(b"", opcode=PING) * (EXTRAS_MAX + 1)))) == EXTRAS_MAX + 1
    with pytest.raises(ProtocolError):
        list(inbound.feed(client_frame(b"masked")))


def test_a_client_frame_is_masked() -> None:
    frame = client_frame(b"hello" * 40)
    assert frame[:4] == b"\x81\xfe\x00\xc8"
    assert bytes(byte ^ frame[4 + at % 4] for at, byte in enumerate(frame[8:])) == b"hello" * 40


@given(st.text(max_size=200), st.data())
def test_fragments_become_one_message_with_control_frames_in_between(text: str, data: st.DataObject) -> None:
    payload = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), min_size=1, max_size=5)))
    pieces = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    stream = b""
    for number, piece in enumerate(pieces):
        stream += fragment(piece, opcode=0 if number else TEXT, final=number == len(pieces) - 1)
        if number < len(pieces) - 1:
            stream += client_frame(b"p", opcode=PING)
    assert list(Inbound().feed(stream)) == [(PING, b"p")] * (len(pieces) - 1) + [(TEXT, text)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x", 1002),
        (b"\xc1" + client_frame(b"x")[1:], 1002),
        (b"\x83" + client_frame(b"x")[1:], 1002),
        (b"\x8b" + client_frame(b"x")[1:], 1002),
        (client_frame(b"x" * 126, opcode=PING), 1002),
        (fragment(b"x", opcode=PING, final=False), 1002),
        (fragment(b"x", opcode=0, final=True), 1002),
        (fragment(b"x", opcode=TEXT, final=False) + client_frame(b"y"), 1002),
        (client_frame(b"\xff"), 1007),
        (client_frame(b"x" * (MESSAGE_MAX_BYTES + 1))[:20], 1009),
        (fragment(b"x" * MESSAGE_MAX_BYTES, opcode=TEXT, final=False) + fragment(b"y", opcode=0, final=True), 1009),
        (b"\x81\xff" + b"\xff" * 8, 1009),
    ],
    ids=[
        "unmasked", "reserved bit", "reserved opcode", "reserved control opcode", "long ping", "half a ping",
        "goes on with nothing", "begins within another", "bad UTF-8", "too long by its head", "too long in pieces",
        "longest length",
    ],
)  # fmt: skip
def test_broken_frames_have_their_close_code(data: bytes, code: int) -> None:
    with pytest.raises(ProtocolError) as broken:
        list(Inbound().feed(data))
    assert broken.value.code == code


def test_frames_that_are_no_message_are_counted_until_they_are_too_many() -> None:
    """Three million empty fragments in 5 s cost a third of a core, and no limit counted them."""
    for flood in (fragment(b"", opcode=0, final=False), client_frame(b"", opcode=PING), client_frame(b"", opcode=10)):
        inbound = Inbound()
        list(inbound.feed(fragment(b"", opcode=TEXT, final=False)))
        list(inbound.feed(flood * (EXTRAS_MAX - 1)))
        inbound.extras = 0
        list(inbound.feed(flood * EXTRAS_MAX))
        with pytest.raises(ProtocolError) as broken:
            list(inbound.feed(flood))
        assert broken.value.code == 1008
    inbound = Inbound()
    list(inbound.feed(client_frame(b"a command") * EXTRAS_MAX))
    assert inbound.extras == 0


def test_longest_message_passes() -> None:
    assert list(Inbound().feed(client_frame(b"x" * MESSAGE_MAX_BYTES))) == [(TEXT, "x" * MESSAGE_MAX_BYTES)]


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", 1000),
        (b"\x03\xe8", 1000),
        (b"\x03\xe9gone", 1001),
        (b"\x0f\xa0", 4000),
        (b"\x03", 1002),
        (b"\x03\xed", 1002),
        (b"\x03\xee", 1002),
        (b"\xff\xff", 1002),
    ],
)
def test_close_codes_that_nobody_may_send_are_not_repeated(payload: bytes, answer: int) -> None:
    assert close_code(payload) == answer
