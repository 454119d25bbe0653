"""AMF0: what goes in comes out, and what is none is said to be none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rtmp import amf0
from tests.ingest.rtmp.client import PATIENT

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scalars = st.none() | st.booleans() | st.floats(allow_nan=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


def depth(value: amf0.Value) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return max((1 + depth(part) for part in inner), default=0)


@PATIENT
@given(st.lists(values.filter(lambda value: depth(value) <= 8), max_size=4))
def test_values_come_out_as_they_went_in(given_values: list[amf0.Value]) -> None:
    assert amf0.decode(amf0.encode(*given_values)) == given_values


@PATIENT
@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_bad(data: bytes) -> None:
    try:
        amf0.decode(data)
    except amf0.BadAmf as error:
        assert str(error)


def test_ecma_arrays_and_typed_objects_are_read_as_objects() -> None:
    """Encoders write their facts as an ECMA array, whose count is often 0."""
    fields = b"\0\1a" + amf0.encode(1.0) + b"\0\0\x09"
    assert amf0.decode(b"\x08\0\0\0\0" + fields) == [{"a": 1.0}]
    assert amf0.decode(b"\x10\0\4name" + fields) == [{"a": 1.0}]


def test_dates_and_long_texts_are_read() -> None:
    assert amf0.decode(b"\x0b" + struct.pack(">dh", 5.0, 0)) == [5.0]
    assert amf0.decode(b"\x0c\0\0\0\2ab" + b"\x06\x0d") == ["ab", None, None]


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a\xff\xff\xff\xff" + amf0.encode(None) * 10,  # an array of four thousand millions
        b"\x0c\xff\xff\xff\xff" + b"a" * 10,
        b"\x03\0\1a" * 100,  # objects in objects
        b"\x03\0\1a\x05",  # an object without an end
        b"\x07\0\1",  # a reference
    ],
)
def test_a_value_that_promises_more_than_there_is_is_bad(data: bytes) -> None:
    with pytest.raises(amf0.BadAmf):
        amf0.decode(data)
