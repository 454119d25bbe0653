"""The name of a codec as players ask for it: `avc1.64001f`, `mp4a.40.2`.

Called by `movie` with the sample entry of a track. A codec without a rule here has the four letters of its entry.
Sources: RFC 6381; ISO/IEC 14496-15, annex E (AVC, HEVC); the AV1 and VP9 bindings to MP4; ISO/IEC 14496-1 (esds).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ingest.packager.boxes import Fields, MalformedBox, find

_ELEMENTARY_STREAM, _DECODER, _DECODER_SPECIFIC = 3, 4, 5
_MPEG4_AUDIO = 0x40
_NAME = re.compile(r"[A-Za-z0-9-]{4}")


def codec(entry: str, boxes: memoryview) -> str:
    """Return the codec of a sample entry of that name, from the boxes in it. Raises MalformedBox."""
    if not _NAME.fullmatch(entry):
        raise MalformedBox(f"No codec is called {entry!r}.")
    rule = _RULES.get(entry)
    return rule(entry, boxes) if rule else _PLAIN.get(entry, entry)


def _avc(entry: str, boxes: memoryview) -> str:
    return f"{entry}.{find(boxes, 'avcC')[1:4].hex()}"


def _hevc(entry: str, boxes: memoryview) -> str:
    fields = Fields(find(boxes, "hvcC")[1:])
    profile = fields.number(1)
    compatible = int(f"{fields.number(4):032b}"[::-1], 2)
    constraints = bytes(fields.take(6)).rstrip(b"\0")
    level = fields.number(1)
    space = ("", "A", "B", "C")[profile >> 6]
    tier = "H" if profile & 0x20 else "L"
    return ".".join(
        [entry, f"{space}{profile & 0x1F}", f"{compatible:X}", f"{tier}{level}", *(f"{byte:X}" for byte in constraints)]
    )


def _av1(entry: str, boxes: memoryview) -> str:
    fields = Fields(find(boxes, "av1C")[1:])
    profile, flags = fields.number(1), fields.number(1)
    tier = "H" if flags & 0x80 else "M"
    bits = (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return f"{entry}.{profile >> 5}.{profile & 0x1F:02}{tier}.{bits:02}"


def _vp9(entry: str, boxes: memoryview) -> str:
    fields = Fields(find(boxes, "vpcC")[4:])
    profile, level, bits = fields.number(1), fields.number(1), fields.number(1) >> 4
    return f"{entry}.{profile:02}.{level:02}.{bits:02}"


def _mpeg_audio(entry: str, boxes: memoryview) -> str:
    fields = Fields(find(boxes, "esds")[4:])
    if _descriptor(fields) != _ELEMENTARY_STREAM:
        raise MalformedBox("The box 'esds' does not begin with an elementary stream.")
    fields.take(3)
    if _descriptor(fields) != _DECODER:
        raise MalformedBox("The box 'esds' names no decoder.")
    kind = fields.number(1)
    if kind != _MPEG4_AUDIO:
        return f"{entry}.{kind:02x}"
    fields.take(12)
    if _descriptor(fields) != _DECODER_SPECIFIC:
        raise MalformedBox("The box 'esds' does not say which kind of AAC it is.")
    setup = fields.number(2)
    return f"{entry}.{kind:02x}.{setup >> 11 if setup >> 11 != 31 else 32 + (setup >> 5 & 0x3F)}"


def _descriptor(fields: Fields) -> int:
    """Read the head of a descriptor: its tag, and its size, of which each byte but the last has the highest bit set."""
    tag = fields.number(1)
    while fields.number(1) & 0x80:
        pass
    return tag


_RULES: dict[str, Callable[[str, memoryview], str]] = {
    "avc1": _avc, "avc3": _avc, "hvc1": _hevc, "hev1": _hevc, "av01": _av1, "vp09": _vp9, "mp4a": _mpeg_audio,
}  # fmt: skip
_PLAIN = {"Opus": "opus", "fLaC": "flac"}
