"""Passphrases: the right one is known without ffmpeg, which gets another one for the same stream."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.srt.keying import WrongPassphrase, locked_again
from ingest.srt.packet import BadSrt
from tests.ingest.srt import caller

KEY, OTHER = "the key of the stream", "good for this stream alone"


@pytest.mark.parametrize("key", [bytes(range(16)), bytes(range(24)), bytes(range(32))])
def test_the_key_of_the_stream_stays_and_its_passphrase_is_another(key: bytes) -> None:
    theirs = caller.material(KEY, key=key)
    ours = locked_again(theirs, passphrase=KEY, by=OTHER)
    assert len(ours) == len(theirs)
    assert caller.opened(ours, OTHER) == key


def test_a_wrong_passphrase_is_known() -> None:
    with pytest.raises(WrongPassphrase):
        locked_again(caller.material("another"), passphrase=KEY, by=OTHER)


@pytest.mark.parametrize(
    "change", [lambda material: material[:-1], lambda material: b"\0" * len(material), lambda _: b""]
)
def test_what_is_no_key_material_is_refused(change: object) -> None:
    with pytest.raises(BadSrt):
        locked_again(change(caller.material(KEY)), passphrase=KEY, by=OTHER)  # type: ignore[operator]


@given(st.binary(max_size=80))
def test_whatever_comes_is_refused(data: bytes) -> None:
    with contextlib.suppress(BadSrt, WrongPassphrase):
        locked_again(b"\x12\x20\x29" + data, passphrase=KEY, by=OTHER)
