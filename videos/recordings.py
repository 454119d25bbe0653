"""What stays of a broadcast, for its broadcaster: how long and large it is, to trim it, to delete it.

Called by the API and the periodic jobs. A recording is the list `replay.m3u8` of its video, with the segments that it
names, in the video's folder or in the bucket (web.kept). What is taken away is deleted at once, with all that is left
of the live picture.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import Viewer
from videos import broadcasts
from videos.captions import trim_captions
from videos.incoming import DOWNLOAD, REPLAY_PLAYLIST
from videos.media import SEGMENTS
from videos.models import Video
from videos.recorded import RecordedList, read_recorded, span
from videos.rights import CHANGE
from videos.topics import visible_for
from web.kept import BucketAway, bucket, kept_files
from web.pictures import free_bytes
from web.refusals import Conflict, Invalid, NotFound

logger = logging.getLogger(__name__)

LIVE_SUFFIXES = (*SEGMENTS, ".m3u8", ".tmp")


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """How much there is. Times in epoch ms; `ready`: viewers can watch it; `download`: the path of it as one file."""

    ready: bool
    seconds: float = 0.0
    bytes: int = 0
    from_ms: int | None = None
    to_ms: int | None = None
    download: str = ""


def recording_of(video_id: UUID, actor: Viewer) -> KeptRecording:
    """Return what there is of a recording. Raises NotFound, Forbidden."""
    video = visible_for(CHANGE, video_id, actor)
    if not is_recorded(video) or (found := _read(video_id)) is None:
        return KeptRecording(ready=False)
    from_ms, to_ms = span(found.segments)
    sizes = kept_files(video_id).sizes()
    kept_bytes = sum(sizes.get(name, 0) for name in found.files)
    download = f"/media/{video_id}/{DOWNLOAD}" if DOWNLOAD in sizes else ""
    return KeptRecording(True, round(found.seconds, 3), kept_bytes, from_ms, to_ms, download)


def check_download(video_id: UUID, actor: Viewer) -> None:
    """Raises what is in the way of a recording as one file: NotFound, Forbidden, Conflict."""
    found = recording_of(video_id, actor)
    if not found.ready:
        raise NotFound("There is no recording of this video.")
    # Its index is moved to the front by writing the file again, in place. What is in the bucket is fetched for it.
    needed_bytes = found.bytes if bucket() is None else 2 * found.bytes
    if free_bytes(Path(settings.MEDIA_ROOT)) - needed_bytes < settings.LIVE_RESERVE_MB * 1024 * 1024:
        raise Conflict("There is no room on the disk for the file. Trim the recording, or delete others.", code="full")


def delete_recording(video_id: UUID, actor: Viewer) -> None:
    """Delete the recording: nobody can watch it any more, and its files are gone.

    Raises NotFound, Forbidden, Conflict.
    """
    _check(video_id, actor)
    broadcasts.update_video(video_id, actor, playlist="")
    removed = keep_only(video_id, set())
    logger.info("video %s: recording deleted by %s, %d files", video_id, actor.id, removed)


def trim_recording(video_id: UUID, actor: Viewer, *, from_ms: int, to_ms: int) -> None:
    """Keep the segments that were filmed between two times, and delete the others for good. Captions move with them.

    Raises NotFound, Forbidden, Conflict, and Invalid if not one segment is left.
    """
    _check(video_id, actor)
    if kept_files(video_id).is_to_move(REPLAY_PLAYLIST):
        raise Conflict("The recording is being moved to where it stays. Try again in a minute.", code="moving")
    found = _read(video_id)
    if found is None:
        raise NotFound("The recording is not on this machine.")
    kept = found.between(from_ms, to_ms)
    if not kept.segments:
        raise Invalid("Nothing of the recording is between these times.", code="nothing_left")
    start = sum(segment.seconds for segment in found.segments[: found.segments.index(kept.segments[0])])
    with transaction.atomic():
        trim_captions(video_id, start, start + kept.seconds)
        kept_files(video_id).write(REPLAY_PLAYLIST, kept.text().encode())
    removed = keep_only(video_id, {REPLAY_PLAYLIST, *kept.files})
    logger.info("video %s: recording trimmed by %s, %d files deleted", video_id, actor.id, removed)


def keep_only(video_id: UUID, names: set[str]) -> int:
    """Delete the playlists and segments of a video besides these; return how many. The poster stays."""
    files = kept_files(video_id)
    try:
        gone = [name for name in files.sizes() if name.endswith(LIVE_SUFFIXES) and name not in names]
        files.delete(*gone)
    except (OSError, BucketAway) as error:
        logger.warning("video %s: files of its recording stay: %s", video_id, error)
        return 0
    return len(gone)


def _check(video_id: UUID, actor: Viewer) -> None:
    """Raises what is in the way of a change: rights, no recording, others who play from its folder."""
    video = visible_for(CHANGE, video_id, actor)
    if video.status != Video.Status.ENDED:
        raise Conflict("The broadcast is not over. End it first.", code="not_ended")
    if not is_recorded(video):
        raise NotFound("There is no recording of this video.")
    if Video.objects.filter(playlist__startswith=f"/media/{video_id}/").exclude(id=video_id).exists():
        raise Conflict("Another video shows this recording. Change the playlist of that one first.", code="in_use")


def is_recorded(video: Video) -> bool:
    """Whether viewers can watch what was recorded of it."""
    return video.status == Video.Status.ENDED and video.playlist == f"/media/{video.id}/{REPLAY_PLAYLIST}"


def _read(video_id: UUID) -> RecordedList | None:
    try:
        text = kept_files(video_id).read(REPLAY_PLAYLIST)
        found = read_recorded((text or b"").decode())
    except (OSError, ValueError) as error:
        logger.warning("video %s: its recording cannot be read: %s", video_id, error)
        return None
    return found if found.segments else None
