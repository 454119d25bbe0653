"""What is in a handshake of SRT, and what is sent back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.srt.packet import (
    HANDSHAKE_BYTES,
    HEADER_BYTES,
    BadSrt,
    HandshakePhase,
    SrtHandshake,
    SrtRefusal,
    is_handshake,
    is_key_answer,
    key_request,
    shutdown,
)
from tests.ingest.srt import caller

# As ffmpeg's libsrt sends it.
INDUCTION = bytes.fromhex(
    "80000000 00000000 00000ba2 00000000 00000004 00000002 1b1f2a3c 000005dc 00002000 00000001 2d5a1c07 00000000"
    "0100007f 00000000 00000000 00000000"
)


def test_a_handshake_is_written_as_it_was_read() -> None:
    hello = SrtHandshake.read(INDUCTION)
    assert (hello.phase, hello.version, hello.socket, hello.at_us) == (HandshakePhase.INDUCTION, 4, 0x2D5A1C07, 0xBA2)
    assert hello.to_bytes() == INDUCTION
    assert is_handshake(INDUCTION)


def test_an_answer_is_no_longer_than_what_it_answers() -> None:
    """Else somebody could have us send more to an address that they only claim than they send themselves."""
    hello = SrtHandshake.read(INDUCTION)
    answer = hello.induced(99).to_bytes()
    assert len(answer) == len(INDUCTION) == HANDSHAKE_BYTES
    read = SrtHandshake.read(answer)
    assert (read.version, read.flags, read.cookie, read.to_socket) == (5, 0x4A17, 99, hello.socket)
    refused = caller.conclusion(1, stream_id="abc").refused(SrtRefusal.UNAUTHORIZED).to_bytes()
    assert len(refused) == HANDSHAKE_BYTES
    assert SrtHandshake.read(refused).phase == 2401


@pytest.mark.parametrize("text", ["a", "abcd", "#!::u=Zoë,m=publish", "f" * 32])
def test_the_name_of_a_stream_is_read_from_words_that_come_backwards(text: str) -> None:
    hello = SrtHandshake.read(caller.conclusion(7, stream_id=text, key=b"12345678").to_bytes())
    assert (hello.stream_id, hello.key_request) == (text, b"12345678")


def test_a_stream_without_name_and_key_has_neither() -> None:
    hello = SrtHandshake.read(caller.conclusion(7).to_bytes())
    assert (hello.stream_id, hello.key_request) == ("", b"")


def test_what_is_cut_is_refused() -> None:
    with pytest.raises(BadSrt):
        SrtHandshake.read(INDUCTION[:-1])
    cut = SrtHandshake.read(caller.conclusion(7, stream_id="abcdefgh").to_bytes()[:-1])
    with pytest.raises(BadSrt):
        _ = cut.stream_id
    with pytest.raises(BadSrt):
        SrtHandshake.read(shutdown(1) + bytes(100))


def test_a_conclusion_is_preceded_by_an_induction() -> None:
    before = caller.conclusion(7, stream_id="abc").inducing()
    assert (
        before.to_bytes() == caller.induction().to_bytes()[:8] + (250_000).to_bytes(4, "big") + before.to_bytes()[12:]
    )
    assert (before.phase, before.version, before.flags, before.cookie) == (HandshakePhase.INDUCTION, 4, 2, 0)
    assert (before.sequence, before.socket, before.extensions) == (caller.SEQUENCE, caller.SOCKET, b"")


def test_a_new_key_in_mid_stream_is_seen() -> None:
    header = bytes(HEADER_BYTES - 4)
    asked, answered = (bytes((0xFF, 0xFF, 0, kind)) + header + b"key" for kind in (3, 4))
    assert (key_request(asked), is_key_answer(asked)) == (b"key", False)
    assert (key_request(answered), is_key_answer(answered)) == (b"", True)
    assert (key_request(bytes(100)), is_key_answer(bytes(100))) == (b"", False)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(BadSrt):
        hello = SrtHandshake.read(b"\x80\0" + data)
        assert SrtHandshake.read(hello.to_bytes()) == hello
        _ = hello.stream_id, hello.key_request
