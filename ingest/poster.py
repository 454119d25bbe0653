"""The poster of a video: a picture of now, for cards, the studio and a player that has not begun. Called by the desk.

A run of ffmpeg of its own: a second, slower output of the one that copies holds up the first by seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from ingest.encoder import ffmpeg
from ingest.packager.playlist import LIVE
from web.store import MediaStore, StoreFull

POSTER = "poster.jpg"
SECONDS = 10.0
_STILL = ("-frames:v", "1", "-q:v", "4", "-vf", "scale=w='min(1280,iw)':h=-2", "-f", "image2", "pipe:1")


async def take_poster(store: MediaStore) -> None:
    """Make `poster.jpg` the first frame of the newest segment, if there is one with a picture."""
    if (source := _newest(store)) is None:
        return
    process = await asyncio.create_subprocess_exec(
        *(ffmpeg(), "-loglevel", "quiet", "-i", "pipe:0", *_STILL),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            still, _ = await process.communicate(source)
    except TimeoutError:
        process.kill()
        await process.wait()
        return
    if still:
        with contextlib.suppress(StoreFull, FileNotFoundError):  # the older one stays; or its video was deleted
            store.write(POSTER, still)


def _newest(store: MediaStore) -> bytes | None:
    """Return the newest segment that the playlist names, with what a decoder needs before it."""
    text = (store.read(LIVE) or b"").decode()
    starts = re.findall(r'^#EXT-X-MAP:URI="([^"]+)"', text, re.MULTILINE)
    segments = re.findall(r"^([^#\s]\S*)$", text, re.MULTILINE)
    if not starts or not segments:
        return None
    start, segment = store.read(starts[-1]), store.read(segments[-1])
    return start + segment if start and segment else None
