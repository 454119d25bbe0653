"""Streams that ffmpeg makes, cut in the ways of the tests; and ffmpeg as a player."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from ingest.packager.boxes import BoxReader

FRAGMENTS = (
    *("-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+cmaf"),
    *("-frag_duration", "200000", "pipe:1"),
)
"""As the ingest asks ffmpeg for them."""
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x264-params", "scenecut=0")


def ffmpeg(*arguments: str) -> bytes:
    """Run ffmpeg, which must have nothing to complain about."""
    command = [get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", *arguments]
    # Its encoder of AV1 has a log of its own.
    done = subprocess.run(command, capture_output=True, env={**os.environ, "SVT_LOG": "1"})
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


def picture(*, rate: int = 30) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc=size=160x90:rate={rate}")


def sound() -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", "sine=sample_rate=48000")


def pieces(stream: bytes) -> list[bytes]:
    """Cut a stream into its head and its fragments."""
    found = [b""]
    for box in BoxReader().feed(stream):
        found[-1] += box.data
        if box.kind in ("moov", "mdat"):
            found.append(b"")
    return found[:-1]


def frames(path: Path, *, kind: str = "v", options: tuple[str, ...] = ()) -> int:
    """Return how many frames a player finds in a playlist."""
    out = ffmpeg(*options, "-i", str(path), "-map", f"0:{kind}", "-c", "copy", "-f", "framecrc", "-")
    return sum(not line.startswith(b"#") for line in out.splitlines())


def cut(stream: bytes, places: list[int]) -> Iterator[bytes]:
    """Cut a stream at these places."""
    edges = [0, *sorted(place % len(stream) for place in places), len(stream)]
    return (stream[start:end] for start, end in pairwise(edges))
