"""What the head of a stream says: its tracks, their codecs and the size of the picture.

Called by the packager for the box `moov`, which each encoder sends once, before its fragments.
Source: ISO/IEC 14496-12, section 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.packager.boxes import Box, Fields, MalformedBox, children, find
from ingest.packager.codecs import codec

# Bytes of a sample entry before the boxes in it.
_ENTRY_BYTES = {"vide": 78, "soun": 28}
_WIDTH_AT = 24


@dataclass(frozen=True, slots=True)
class Track:
    """One picture or sound. `timescale` is units per second; the defaults are for samples that say nothing else."""

    number: int
    is_video: bool
    timescale: int
    codec: str
    resolution: tuple[int, int] | None
    default_duration: int
    default_flags: int


@dataclass(frozen=True, slots=True)
class Movie:
    """The tracks with picture or sound; at least one."""

    tracks: dict[int, Track]

    @property
    def video(self) -> Track | None:
        return next((track for track in self.tracks.values() if track.is_video), None)

    @property
    def codecs(self) -> str:
        """The codecs as CODECS of a playlist lists them."""
        return ",".join(track.codec for track in self.tracks.values())


def read_movie(box: Box) -> Movie:
    """Read a `moov`. Raises MalformedBox."""
    defaults = dict(map(_defaults, _all(find(box.body, "mvex"), "trex")))
    tracks = [track for trak in _all(box.body, "trak") if (track := _track(trak, defaults)) is not None]
    if not tracks:
        raise MalformedBox("The stream has neither picture nor sound.")
    return Movie({track.number: track for track in tracks})


def _all(body: memoryview, kind: str) -> list[memoryview]:
    return [inner for name, inner in children(body) if name == kind]


def _defaults(trex: memoryview) -> tuple[int, tuple[int, int]]:
    _, number, _, duration, _, flags = Fields(trex).numbers(6)
    return number, (duration, flags)


def _track(trak: memoryview, defaults: dict[int, tuple[int, int]]) -> Track | None:
    """Return the track, or nothing for one that is neither picture nor sound."""
    media = find(trak, "mdia")
    handler = bytes(find(media, "hdlr")[8:12]).decode("latin-1")
    if handler not in _ENTRY_BYTES:
        return None
    number, timescale = _after_times(find(trak, "tkhd")), _after_times(find(media, "mdhd"))
    if timescale == 0:
        raise MalformedBox("A track has no timescale.")
    entry, body = next(children(find(media, "minf", "stbl", "stsd")[8:]), ("", memoryview(b"")))
    fields = Fields(body)
    head = Fields(fields.take(_ENTRY_BYTES[handler]))
    head.take(_WIDTH_AT)
    size = (head.number(2), head.number(2))
    duration, flags = defaults.get(number, (0, 0))
    return Track(
        number=number,
        is_video=handler == "vide",
        timescale=timescale,
        codec=codec(entry, body[_ENTRY_BYTES[handler] :]),
        resolution=size if handler == "vide" else None,
        default_duration=duration,
        default_flags=flags,
    )


def _after_times(body: memoryview) -> int:
    """Return the number behind the two times with which `tkhd` and `mdhd` begin."""
    fields = Fields(body)
    version = fields.number(1)
    fields.take(3 + (16 if version == 1 else 8))
    return fields.number(4)
