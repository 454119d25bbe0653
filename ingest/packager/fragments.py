"""When a fragment begins and ends, and whether a player can begin with it.

Called by the packager for the box `moof`. The clock of a fragment is its picture; its sound if it has no picture, or
if both disagree by more than TRACKS_APART_SECONDS: a screen that stands still has few frames of uncertain length, while
sound never stops.
Source: ISO/IEC 14496-12, section 8.8.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.packager.boxes import Box, Fields, MalformedBox, children, find
from ingest.packager.movie import Movie, Track

TRACKS_APART_SECONDS = 0.25
# A longer sample is not a long frame: the encoder's picture stopped, and its next frame comes that much later.
SAMPLE_MAX_SECONDS = 1.0
SAMPLES_MAX = 100_000
_NOT_SYNC = 0x10000
# Flags of `tfhd`, in the order of their fields, and whether somebody reads the field.
_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE, _FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
# Flags of `trun`.
_DATA_OFFSET, _FIRST_FLAGS, _EACH_DURATION, _EACH_SIZE, _EACH_FLAGS, _EACH_OFFSET = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True, slots=True)
class Timing:
    """Media time in seconds. `independent`: it begins with a keyframe, or there is only sound."""

    start: float
    end: float
    independent: bool


@dataclass(frozen=True, slots=True)
class _Samples:
    durations: tuple[int, ...]
    first_flags: int


def read_timing(moof: Box, movie: Movie) -> Timing:
    """Read the times of a fragment. Raises MalformedBox, also for a fragment that cannot stand in another file."""
    video: Timing | None = None
    sound: Timing | None = None
    for kind, traf in children(moof.body):
        if kind == "traf" and (found := _read_track(traf, movie)) is not None:
            track, timing = found
            if not track.is_video:
                sound = sound or timing
            elif track is movie.video:
                video = timing
    if video is None and sound is None:
        raise MalformedBox("A fragment has neither picture nor sound.")
    return _together(video, sound, sound_only=movie.video is None)


def _together(video: Timing | None, sound: Timing | None, *, sound_only: bool) -> Timing:
    if video is None:
        assert sound is not None
        return Timing(sound.start, sound.end, independent=sound_only)
    clock = video
    if sound is not None and abs(sound.end - video.end) > TRACKS_APART_SECONDS:
        clock = sound
    return Timing(clock.start, clock.end, video.independent)


def _read_track(traf: memoryview, movie: Movie) -> tuple[Track, Timing] | None:
    """Return the track and its times, or nothing for a track of another kind or without samples."""
    fields = Fields(find(traf, "tfhd"))
    flags, number = fields.numbers(2)
    track = movie.tracks.get(number)
    if track is None:
        return None
    if flags & _BASE_OFFSET:
        raise MalformedBox(
            "A fragment says where in its file it is: it cannot be moved (default_base_moof is missing)."
        )
    fields.take(4 * bool(flags & _DESCRIPTION))
    duration = fields.number(4) if flags & _DURATION else track.default_duration
    fields.take(4 * bool(flags & _SIZE))
    sample_flags = fields.number(4) if flags & _FLAGS else track.default_flags
    runs = [_read_run(body, duration=duration, flags=sample_flags) for kind, body in children(traf) if kind == "trun"]
    durations = [each for run in runs for each in run.durations]
    if not durations:
        return None
    start = _decode_time(traf) / track.timescale
    seconds = _seconds(durations, track.timescale)
    return track, Timing(start, start + seconds, independent=not runs[0].first_flags & _NOT_SYNC)


def _decode_time(traf: memoryview) -> int:
    fields = Fields(find(traf, "tfdt"))
    return fields.number(8 if fields.number(4) >> 24 == 1 else 4)


def _read_run(trun: memoryview, *, duration: int, flags: int) -> _Samples:
    fields = Fields(trun)
    given, count = fields.numbers(2)
    fields.take(4 * bool(given & _DATA_OFFSET))
    first = fields.number(4) if given & _FIRST_FLAGS else None
    columns = [flag for flag in (_EACH_DURATION, _EACH_SIZE, _EACH_FLAGS, _EACH_OFFSET) if given & flag]
    if count > SAMPLES_MAX:
        raise MalformedBox(f"A fragment says that it has {count} samples; the limit is {SAMPLES_MAX}.")
    table = fields.numbers(count * len(columns))

    def column(flag: int) -> tuple[int, ...]:
        return table[columns.index(flag) :: len(columns)]

    if first is None:
        first = column(_EACH_FLAGS)[0] if given & _EACH_FLAGS and count else flags
    return _Samples(column(_EACH_DURATION) if given & _EACH_DURATION else (duration,) * count, first)


def _seconds(durations: list[int], timescale: int) -> float:
    """Return how long the samples last. The last one reaches to the next fragment, also over a gap: that one counts as
    long as the one before.
    """
    *others, last = durations
    longest = int(SAMPLE_MAX_SECONDS * timescale)
    if last > longest:
        last = min(others[-1], longest) if others else longest
    return (sum(others) + last) / timescale
