"""The files of a picture as answers: what each kind is, how long it holds, and the part of it that is asked for.

Called by the view of /media/ (videos.views), once it knows that the viewer may see the picture. No file is read here:
the answer names a part of an open file, and liveplatform.asgi has the server send it. A playlist comes from memory.
Source: RFC 9110, sections 13 (conditional requests) and 14 (ranges); RFC 8216 (HLS).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response
from django.utils.http import parse_http_date_safe

from videos.playlists import ReadPlaylist
from web.files import FilePart
from web.kept import BucketAway, bucket
from web.pictures import folder_of

logger = logging.getLogger(__name__)

KINDS = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".aac": "audio/aac",
    ".vtt": "text/vtt; charset=utf-8",
    ".jpg": "image/jpeg",
}
SEGMENTS = (".ts", ".mp4", ".m4s", ".aac", ".vtt")
# A number of that size is the time at which an encoder began to count: it does not begin there again. Any other name
# may come back with another picture after a restart.
NEVER_REPEATS = re.compile(r"(?<![0-9])[1-9][0-9]{9,}(?![0-9])")


RECEIVE = "live.receive"
"""Where the scope of a request has ASGI's `receive`, for a view that waits: it returns when the client leaves."""


Pieces = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file of elsewhere that is not kept here. `pieces(start, end)` reads a part of it."""

    size: int
    changed_ns: int
    pieces: Callable[[int, int], Pieces]


class PassedPart(HttpResponse):
    """An answer whose body is a part of a file of elsewhere, passed on as it comes."""

    def __init__(self, pieces: Callable[[int, int], Pieces], start: int, end: int, *, status: int = 200) -> None:
        super().__init__(status=status)
        self._pieces = partial(pieces, start, end)
        self.headers["Content-Length"] = str(end - start)

    def pieces(self) -> Pieces:
        return self._pieces()


class _SendPart(Protocol):
    def __call__(self, start: int, end: int, *, status: int = 200) -> HttpResponse: ...


def remove_pictures(video_id: object) -> bool:
    """Delete the folder of a deleted video, and what the bucket has of it. Returns whether there was anything; what
    cannot be deleted is logged, and tried again by the jobs.
    """
    folder = folder_of(video_id)
    was_here = folder.exists()
    try:
        if was_here:
            shutil.rmtree(folder)
        return _remove_kept(video_id) or was_here
    except (OSError, BucketAway) as error:
        logger.warning("pictures of the deleted video %s stay: %s", video_id, error)
        return False


def _remove_kept(video_id: object) -> bool:
    if (found := bucket()) is None:
        return False
    kept = found.folder(video_id)
    names = kept.sizes()
    if names:
        kept.delete(*names)
    return bool(names)


def caching(name: str) -> str:
    """Return how long a file holds: what may change is asked for again, and mostly answered with 304."""
    if name.endswith(".jpg"):
        return "max-age=5"
    return "max-age=31536000, immutable" if never_changes(name) else "no-cache"


def never_changes(name: str) -> bool:
    """Whether a file of this name is always the same."""
    return name.endswith(SEGMENTS) and NEVER_REPEATS.search(name) is not None


def answer(request: HttpRequest, file: BinaryIO, name: str, *, audience: str) -> HttpResponse:
    """Return the file, the part of it that is asked for, or that it has not changed."""
    found = os.fstat(file.fileno())
    made = _answer(request, partial(FilePart, file), name, found.st_size, found.st_mtime_ns, audience=audience)
    if not isinstance(made, FilePart):
        file.close()
    return made


def answer_large(request: HttpRequest, large: LargeFile, name: str, *, audience: str) -> HttpResponse:
    """Return the file of elsewhere as `answer` would return one of here."""
    return _answer(request, partial(PassedPart, large.pieces), name, large.size, large.changed_ns, audience=audience)


def answer_playlist(request: HttpRequest, playlist: ReadPlaylist, name: str, *, audience: str) -> HttpResponse:
    """Return the playlist, or a poster that is in memory, as `answer` would return its file."""

    def part(start: int, end: int, *, status: int = 200) -> HttpResponse:
        made = HttpResponse(playlist.body[start:end], status=status)
        made.headers["Content-Length"] = str(end - start)
        return made

    return _answer(request, part, name, len(playlist.body), playlist.changed_ns, audience=audience)


def _answer(
    request: HttpRequest, send: _SendPart, name: str, size: int, changed_ns: int, *, audience: str
) -> HttpResponse:
    etag, modified = f'"{changed_ns:x}-{size:x}"', changed_ns // 1_000_000_000
    made = _part(request, send, size, etag=etag, modified=modified)
    made.headers["Cache-Control"] = f"{audience}, {caching(name)}"
    made.headers["ETag"] = etag
    made.headers["Last-Modified"] = formatdate(modified, usegmt=True)
    made.headers["Accept-Ranges"] = "bytes"
    if made.status_code != 416:
        made.headers["Content-Type"] = KINDS[Path(name).suffix]
    answered = get_conditional_response(request, etag=etag, last_modified=modified, response=made)
    assert isinstance(answered, HttpResponse)
    return answered


def _part(request: HttpRequest, send: _SendPart, size: int, *, etag: str, modified: int) -> HttpResponse:
    asked = request.headers.get("Range")
    if asked is None or request.method != "GET" or not _still_same(request.headers.get("If-Range"), etag, modified):
        return send(0, size)
    found = re.fullmatch(r"bytes=\s*([0-9]{0,100})-([0-9]{0,100})\s*", asked)
    first, last = found.groups() if found else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        return send(0, size)  # no range, or several: the whole is always right
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        detail = f"This file has {size} bytes."
        refused = JsonResponse({"code": "range_not_satisfiable", "detail": detail}, status=416)
        refused.headers["Content-Range"] = f"bytes */{size}"
        return refused
    part = send(start, end, status=206)
    part.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return part


def _still_same(if_range: str | None, etag: str, modified: int) -> bool:
    return if_range is None or if_range == etag or parse_http_date_safe(if_range) == modified
