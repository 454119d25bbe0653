"""Files of a picture as answers: the part that is asked for, what has not changed, and how long each holds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from videos.media import answer, caching
from web.files import FilePart
from web.pictures import open_regular

BODY = b"0123456789"
Ask = Callable[..., HttpResponse]


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    path = tmp_path / "1790000000.ts"
    path.write_bytes(BODY)
    return path


@pytest.fixture
def ask(segment: Path) -> Iterator[Ask]:
    """Ask for the segment with such headers."""
    with contextlib.ExitStack() as stack:

        def asked(method: str = "GET", **headers: str) -> HttpResponse:
            request = RequestFactory().generic(method, "/", headers=headers)
            file = stack.enter_context(open_regular(segment))
            return answer(request, file, segment.name, audience="public")

        yield asked


def part(made: HttpResponse) -> bytes:
    """Return what the server would send."""
    assert isinstance(made, FilePart)
    made.file.seek(made.start)
    return made.file.read(made.end - made.start)


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-50", 206, BODY, "bytes 0-9/10"),
        ("bytes=8-50", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-" + "9" * 50, 206, b"89", "bytes 8-9/10"),
        ("bytes=0-1,4-5", 200, BODY, None),
        ("bytes=5-2", 200, BODY, None),
        ("bytes=-", 200, BODY, None),
        ("lines=1-2", 200, BODY, None),
        ("bytes=" + "9" * 5_000 + "-", 200, BODY, None),
    ],
)
def test_range_is_the_part_of_the_file_and_what_is_none_is_the_whole(
    ask: Ask, asked: str, status: int, body: bytes, content_range: str | None
) -> None:
    made = ask(Range=asked)
    assert (made.status_code, part(made)) == (status, body)
    assert made.headers.get("Content-Range") == content_range
    assert made.headers["Content-Length"] == str(len(body))
    assert made.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_range_beyond_the_end_is_refused_with_the_size(ask: Ask, asked: str) -> None:
    made = ask(Range=asked)
    assert (made.status_code, made.headers["Content-Range"]) == (416, "bytes */10")


def test_head_says_what_get_would(ask: Ask) -> None:
    assert ask("HEAD", Range="bytes=0-3").headers["Content-Length"] == "10", "a range means GET"


def test_file_that_has_not_changed_is_304_and_one_written_anew_is_not(ask: Ask, segment: Path) -> None:
    """A playlist of the same size, written in the same second, is another one: its validator is finer than seconds."""
    first = ask()
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for headers in ({"If-None-Match": etag}, {"If-None-Match": f'"x", {etag}'}, {"If-Modified-Since": modified}):
        made = ask(**headers)
        assert made.status_code == 304
        assert made.headers["ETag"] == etag
        assert made.headers["Cache-Control"] == first.headers["Cache-Control"]
    found = segment.stat()
    os.utime(segment, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert ask(**{"If-None-Match": etag}).status_code == 200


def test_range_of_another_version_is_the_whole_file(ask: Ask) -> None:
    etag, modified = ask().headers["ETag"], ask().headers["Last-Modified"]
    statuses = [ask(**{"Range": "bytes=0-3", "If-Range": same}).status_code for same in (etag, modified)]
    assert statuses == [206, 206]
    others = ('"other"', f"W/{etag}", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense")
    assert [ask(**{"Range": "bytes=0-3", "If-Range": other}).status_code for other in others] == [200] * 4


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("1790000000.ts", "max-age=31536000, immutable"),
        ("seg-1790000000123456-7.m4s", "max-age=31536000, immutable"),
        ("20261129031500_audio.aac", "max-age=31536000, immutable"),
        ("live1.ts", "no-cache"),
        ("s000001.ts", "no-cache"),
        ("0000000001.ts", "no-cache"),
        ("init.mp4", "no-cache"),
        ("captions.vtt", "no-cache"),
        ("1790000000.m3u8", "no-cache"),
        ("poster.jpg", "max-age=5"),
    ],
)
def test_only_a_name_that_cannot_come_back_holds_for_ever(name: str, holds: str) -> None:
    """An encoder that began to count at 0 again wrote over `live1.ts`, and browsers played the old one for half a
    minute: it was `immutable`."""
    assert caching(name) == holds
