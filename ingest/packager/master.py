"""`master.m3u8`: the codecs, size and bit rate of the stream, before a player has loaded any of it.

Called by the packager. A player could begin with `live.m3u8`. With this list it knows whether it can play the codecs
(HEVC in many browsers: no) and can say so instead of failing in the middle, and it is where renditions will be listed.
Source: RFC 8216, section 4.3.4.
"""

from __future__ import annotations

from ingest.packager.movie import Movie
from ingest.packager.playlist import LIVE

MASTER = "master.m3u8"
# The rate of a shorter piece says little: it may be one keyframe.
_MEASURED_SECONDS = 1.0


class Master:
    """The list for one encoder."""

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
        stream = f'BANDWIDTH={rate},CODECS="{self._movie.codecs}"{size}'
        return f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-STREAM-INF:{stream}\n{LIVE}\n"
