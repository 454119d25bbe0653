"""`master.m3u8`: the codecs, size and bit rate of each rendition, before a player has loaded any of it.

Called by the packagers of a video, which share it. With this list a player knows whether it can play the codecs (HEVC
in many browsers: no), and can say so instead of failing in the middle; and it chooses a rendition by it.
Source: RFC 8216, section 4.3.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ingest.packager.movie import Movie
from web.store import MediaStore

MASTER = "master.m3u8"
HOLD_SECONDS = 2.0
"""So long the list waits for renditions that are expected: players read it once."""
# The rate of a shorter piece says little: it may be one keyframe.
_MEASURED_SECONDS = 1.0


class Variant:
    """What the list says of one encoder's picture."""

    def __init__(self, movie: Movie) -> None:
        self._movie = movie
        self._first_rate = 0
        self._peak_rate = 0

    def measure(self, size: int, seconds: float) -> None:
        """Count a segment of so many bytes."""
        rate = round(size * 8 / seconds)
        self._first_rate = self._first_rate or rate
        if seconds >= _MEASURED_SECONDS:
            self._peak_rate = max(self._peak_rate, rate)

    @property
    def text(self) -> str:
        video = self._movie.video
        size = f",RESOLUTION={video.resolution[0]}x{video.resolution[1]}" if video and video.resolution else ""
        rate = self._peak_rate or self._first_rate
        return f'#EXT-X-STREAM-INF:BANDWIDTH={rate},CODECS="{self._movie.codecs}"{size}\n'


class Master:
    """The list of one video. `clock`: seconds."""

    def __init__(self, store: MediaStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._expected: tuple[str, ...] = ()
        self._variants: dict[str, str] = {}
        self._began = 0.0
        self._written = ""

    def expect(self, playlists: tuple[str, ...]) -> None:
        """Begin anew with these renditions, the best one first."""
        self._expected = playlists
        self._variants.clear()

    def put(self, playlist: str, variant: str) -> None:
        """List a rendition, or what is said of it now. Raises StoreFull."""
        if not self._variants:
            self._began = self._clock()
        self._variants[playlist] = variant
        missing = any(one not in self._variants for one in self._expected)
        if missing and self._clock() - self._began < HOLD_SECONDS:
            return
        order = sorted(self._variants, key=lambda one: self._expected.index(one) if one in self._expected else -1)
        listed = "".join(f"{self._variants[one]}{one}\n" for one in order)
        text = f"#EXTM3U\n#EXT-X-VERSION:7\n{listed}"
        if text != self._written:
            self._store.write(MASTER, text.encode())
            self._written = text
