"""Where the ffmpeg is that came with the site (imageio-ffmpeg). Called by the demo and by videos.

The rooms of the ingest know nothing of `web`: ingest.encoder finds it by itself.
"""

from __future__ import annotations

from functools import cache


@cache
def ffmpeg() -> str:
    """Return the path of ffmpeg. Raises RuntimeError."""
    # Its import looks the binary up and runs it once: only those who need it pay for that.
    from imageio_ffmpeg import get_ffmpeg_exe

    path: str = get_ffmpeg_exe()
    return path
