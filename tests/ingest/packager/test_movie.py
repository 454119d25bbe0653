"""What the head of a stream says: codecs by the names that players ask for, and the size of the picture."""

from __future__ import annotations

import pytest

from ingest.packager.boxes import BoxReader, MalformedBox
from ingest.packager.movie import Movie, read_movie
from tests.ingest.packager.streams import FRAGMENTS, X264, ffmpeg, picture, pieces, sound

AAC = ("-c:a", "aac")


def head_of(stream: bytes) -> Movie:
    return next(read_movie(box) for box in BoxReader().feed(stream) if box.kind == "moov")


@pytest.mark.parametrize(
    ("codecs", "named"),
    [
        ((*X264, "-preset", "veryfast", "-profile:v", "high", "-level", "3.1", *AAC), "avc1.64001f,mp4a.40.2"),
        ((*X264, "-profile:v", "baseline", "-level", "3.0", *AAC), "avc1.42c01e,mp4a.40.2"),
        (("-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v", "hvc1", *AAC), "hvc1.4.10.L30.9E.8,mp4a.40.2"),
        (("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-c:a", "libopus"), "vp09.01.10.08,opus"),
        (("-c:v", "libsvtav1", "-pix_fmt", "yuv420p", "-c:a", "flac"), "av01.0.00M.08,flac"),
        (("-c:v", "mpeg4", "-c:a", "libmp3lame"), "mp4v,mp4a.6b"),
    ],
)  # fmt: skip
def test_codecs_have_the_names_that_players_ask_for(codecs: tuple[str, ...], named: str) -> None:
    head = pieces(ffmpeg(*picture(), *sound(), "-t", "0.2", *codecs, *FRAGMENTS))[0]
    movie = head_of(head)
    assert movie.codecs == named
    assert movie.video is not None
    assert movie.video.resolution == (160, 90)


def test_a_file_that_is_not_in_fragments_is_refused_in_words(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("whole") / "whole.mp4"
    ffmpeg(*picture(), "-t", "0.2", *X264, "-movflags", "+faststart", str(path))
    with pytest.raises(MalformedBox, match="no box 'mvex'"):
        head_of(path.read_bytes())
