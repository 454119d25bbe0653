"""Captions of a recording: what is said in it, in one or more languages. Called by the API and the pages.

A broadcaster sends WebVTT, or SubRip, which differs by its commas. Of it the cues are kept; style sheets and notes are
left out. Times are seconds of the recording: they move when it is trimmed.
Source: W3C, WebVTT: The Web Video Text Tracks Format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from accounts.models import Viewer
from videos import broadcasts, rights
from videos.access import locked_for
from videos.models import CaptionTrack
from videos.topics import visible_video
from web.refusals import Conflict, Invalid, NotFound
from web.text import clean_text

TEXT_MAX_BYTES = 1024 * 1024
LANGUAGES_MAX = 10
HEADER = "WEBVTT\n"
_TIME = r"((?:[0-9]{1,4}:)?[0-5][0-9]:[0-5][0-9])[.,]([0-9]{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}", re.ASCII)


def read_cues(text: str) -> list[str]:
    """Return the cues of a text."""
    blocks = re.split(r"\n{2,}", "\n".join(clean_text(line) for line in text.splitlines()))
    return [cue for block in blocks if (cue := _cue(block.strip("\n").split("\n")))]


def _cue(lines: list[str]) -> str:
    """Return the cue of a block, "" if it is none. Its times may have a name on the line before."""
    for at, line in enumerate(lines[:2]):
        if found := _TIMING.match(line):
            said = [line for line in lines[at + 1 :] if line and "-->" not in line]
            begin, begin_ms, end, end_ms = found.groups()
            timing = f"{_padded(begin)}.{begin_ms} --> {_padded(end)}.{end_ms}"
            return "\n".join([timing, *said]) if said else ""
    return ""


def _padded(time: str) -> str:
    """Return the time with two digits of hours, which SubRip leaves out at times."""
    return time if time.count(":") == 1 else time.rjust(8, "0")


def between(text: str, start: float, end: float) -> str:
    """Return captions as they are of a part of the recording, which begins and ends at these seconds of it."""
    return _text(cue for whole in read_cues(text) if (cue := _moved(whole, start, end)))


def _moved(cue: str, start: float, end: float) -> str:
    """Return the cue on the clock of the part; "" if nothing of it is shown there."""
    timing, *said = cue.split("\n")
    begin, until = (min(max(_seconds(time), start), end) - start for time in timing.split(" --> "))
    return "\n".join([f"{_written(begin)} --> {_written(until)}", *said]) if until > begin else ""


def _seconds(time: str) -> float:
    *hours, minutes, seconds = time.split(":")
    return sum(3600 * int(part) for part in hours) + 60 * int(minutes) + float(seconds)


def _written(seconds: float) -> str:
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}.{ms % 1000:03d}"


def _text(cues: Iterable[str]) -> str:
    return HEADER + "".join(f"\n{cue}\n" for cue in cues)


def trim_captions(video_id: UUID, start: float, end: float) -> None:
    """Leave of all captions those of a part of the recording: its seconds from `start` to `end`."""
    for track in CaptionTrack.objects.select_for_update().filter(video_id=video_id):
        track.text = between(track.text, start, end)
        track.save(update_fields=["text"])


@transaction.atomic
def set_captions(video_id: UUID, actor: Viewer, language: str, text: str, *, goes_on: bool = False) -> int:
    """Keep the captions of a language, in place of those that there are or, if it `goes_on`, after them.

    Returns how many cues came; without one nothing is changed. Raises NotFound, Forbidden, Invalid, Conflict.
    """
    locked_for(rights.CHANGE, video_id, actor)
    language, cues = language.lower(), read_cues(text)
    if not cues:
        return 0
    before = CaptionTrack.objects.filter(video_id=video_id, language=language).first() if goes_on else None
    whole = _text([*(read_cues(before.text) if before else ()), *cues])
    if len(whole.encode()) > TEXT_MAX_BYTES:
        raise Invalid("These captions are too long: 1 MB is taken.", code="too_long")
    CaptionTrack.objects.update_or_create(video_id=video_id, language=language, defaults={"text": whole})
    _publish(video_id, actor)
    return len(cues)


@transaction.atomic
def delete_captions(video_id: UUID, actor: Viewer, language: str) -> None:
    """Raises NotFound, Forbidden."""
    locked_for(rights.CHANGE, video_id, actor)
    deleted, _ = CaptionTrack.objects.filter(video_id=video_id, language=language.lower()).delete()
    if not deleted:
        raise NotFound("There are no captions in this language.")
    _publish(video_id, actor)


def _publish(video_id: UUID, actor: Viewer) -> None:
    tracks = CaptionTrack.objects.filter(video_id=video_id).order_by("language")
    languages = list(tracks.values_list("language", flat=True))
    if len(languages) > LANGUAGES_MAX:
        raise Conflict(f"A video has captions in {LANGUAGES_MAX} languages at most.", code="too_many")
    broadcasts.update_video(video_id, actor, captions=" ".join(languages))


def captions_of(video_id: UUID, viewer: Viewer | None, language: str) -> str:
    """Return captions as WebVTT. Raises NotFound."""
    visible_video(video_id, viewer)
    found = CaptionTrack.objects.filter(video_id=video_id, language=language.lower()).first()
    if found is None:
        raise NotFound("There are no captions in this language.")
    return found.text
