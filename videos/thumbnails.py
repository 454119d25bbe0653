"""The picture of a video on cards, in the studio, in shared links, and in the player before it plays.

While a video is live it is the newest one from the stream (`poster.jpg`, by the ingest). Before and after that it is
the one that its broadcaster has uploaded (`thumbnail.jpg`), if there is one. Called by the pages and the API.
Of what somebody uploads nothing is kept (web.uploads).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from videos.elsewhere import elsewhere
from videos.models import Video
from web.pictures import folder_of
from web.refusals import Conflict
from web.uploads import as_jpeg

POSTER, THUMBNAIL = "poster.jpg", "thumbnail.jpg"
POSTER_SECONDS = 60
SIZE = (1280, 720)
_WRITING = "thumbnail.tmp"


def picture_urls(videos: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the picture of each video that has one. Its time is in the address, so a newer one is fetched.

    Asks the disk, which may take a while. Where pictures are elsewhere, every video that has a playlist of ours has a
    poster.
    """
    urls = {}
    for video in videos:
        order = (POSTER, THUMBNAIL) if video["status"] == Video.Status.LIVE else (THUMBNAIL, POSTER)
        found = next(filter(None, (_url(video["id"], name) for name in order)), "") or _url_elsewhere(video)
        if found:
            urls[video["id"]] = found
    return urls


async def add_posters(videos: Sequence[dict[str, Any]]) -> None:
    """Say of each video what its picture is, "" for none."""
    posters = await asyncio.to_thread(picture_urls, videos)
    for video in videos:
        video["poster"] = posters.get(video["id"], "")


def _url_elsewhere(video: Mapping[str, Any]) -> str:
    if elsewhere() is None or not (video["playlist"] or "").startswith(f"/media/{video['id']}/"):
        return ""
    at = time.time() // POSTER_SECONDS * POSTER_SECONDS
    return f"/media/{video['id']}/{POSTER}?t={at:.0f}"


def _url(video_id: str, name: str) -> str:
    try:
        at = (folder_of(video_id) / name).stat().st_mtime
    except OSError:
        return ""
    return f"/media/{video_id}/{name}?t={at:.0f}"


def keep_thumbnail(video_id: UUID, kind: str, data: bytes) -> str:
    """Make a picture of this kind the one of the video; return its path. Blocks. Raises Invalid, Conflict."""
    made = as_jpeg(kind, data, *SIZE)
    folder = folder_of(video_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _WRITING).write_bytes(made)
        (folder / _WRITING).replace(folder / THUMBNAIL)
    except OSError as error:
        raise Conflict(f"The site cannot keep the picture: {error.strerror}.", code="full") from error
    return _url(str(video_id), THUMBNAIL)


def remove_thumbnail(video_id: UUID) -> None:
    """Delete the uploaded picture of the video, if there is one."""
    (folder_of(video_id) / THUMBNAIL).unlink(missing_ok=True)
