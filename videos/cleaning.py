"""What nobody needs any more: of videos that are over the live pictures and the keys of viewers, too old recordings.

Hop: beside the path, called by the periodic jobs. All in short transactions or single files, so that years of it hold
nobody up; interrupted at any point, each goes on the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from realtime.log import audiences
from videos.incoming import INGESTED, REPLAY_PLAYLIST, unfinished
from videos.media import remove_pictures
from videos.models import DeletedVideo, Video
from videos.recordings import LIVE_SUFFIXES, delete_recording, keep_only
from web.kept import BucketAway, bucket
from web.pictures import folder_of
from web.refusals import Refused

logger = logging.getLogger(__name__)


ROWS_MAX = 1_000  # of one look
SEEN_FOR = timedelta(hours=24)
SEEN_MAX_KEYS, SEEN_MAX_VIDEOS = 200_000, 1_000
"""So much one run deletes, in some seconds. The other jobs wait meanwhile, and the next run goes on."""


def clear_pictures() -> int:
    """Delete the pictures of deleted videos, and the live segments of those that ended some time ago.

    That time is LIVE_KEEP_SEGMENTS_HOURS; what was written since stays as well. The poster stays with its video. Only
    folders of this machine, and the bucket. Returns how many files and folders.
    """
    ended_before = timezone.now() - timedelta(hours=settings.LIVE_KEEP_SEGMENTS_HOURS)
    kept = _kept_folders()
    removed = _clear_bucket(kept, ended_before)
    for ids in _pages(_folder_names()):
        for video_id in DeletedVideo.objects.filter(id__in=ids).values_list("id", flat=True):
            removed += remove_pictures(video_id)
        ended = Video.objects.filter(id__in=ids, status=Video.Status.ENDED, ended_at__lt=ended_before)
        kept |= {str(id) for id in ended.filter(unfinished()).values_list("id", flat=True) if _is_ingested(id)}
        for video_id in ended.values_list("id", flat=True):
            if str(video_id) not in kept:
                removed += _clear(folder_of(video_id), ended_before)
    return removed


def forget_seen() -> int:
    """Delete the keys of those who have seen videos that ended some time ago. How many there were is kept. Returns how
    many keys.
    """
    deleted, closed, place = 0, 0, ""
    while topics := audiences.open_topics("video", place, ROWS_MAX):
        place = topics[-1]
        ids = {topic.partition(":")[2]: topic for topic in topics}
        ended = Video.objects.filter(id__in=ids, status=Video.Status.ENDED, ended_at__lt=timezone.now() - SEEN_FOR)
        for video_id in ended.values_list("id", flat=True):
            if deleted >= SEEN_MAX_KEYS or closed >= SEEN_MAX_VIDEOS:
                return deleted
            deleted += audiences.close(ids[str(video_id)])
            closed += 1
    return deleted


def _clear_bucket(kept: set[str], ended_before: datetime) -> int:
    """Delete what the bucket has of deleted videos and of deleted recordings: it was away when they were deleted."""
    removed = 0
    try:
        found = bucket()
        for ids in _pages(found.folders() if found is not None else []):
            for video_id in DeletedVideo.objects.filter(id__in=ids).values_list("id", flat=True):
                removed += remove_pictures(video_id)
            ended = Video.objects.filter(id__in=ids, status=Video.Status.ENDED, ended_at__lt=ended_before)
            for video_id in ended.filter(playlist="").values_list("id", flat=True):
                if str(video_id) not in kept:
                    removed += keep_only(video_id, set())
    except BucketAway as away:
        logger.warning("the bucket of the recordings is not cleared: %s", away)
    return removed


def clear_recordings() -> int:
    """Delete recordings of broadcasts that ended more than LIVE_RECORDINGS_DAYS ago (0: none). Returns how many."""
    if not settings.LIVE_RECORDINGS_DAYS:
        return 0
    ended_before = timezone.now() - timedelta(days=settings.LIVE_RECORDINGS_DAYS)
    recorded = Video.objects.filter(status=Video.Status.ENDED, playlist__endswith=f"/{REPLAY_PLAYLIST}")
    old = recorded.filter(ended_at__lt=ended_before).select_related("owner")
    removed = 0
    for video in list(old.order_by("ended_at")[:ROWS_MAX]):
        try:
            delete_recording(video.id, video.owner)
            removed += 1
        except Refused as refused:  # deleted meanwhile, or another video shows it
            logger.info("the recording of %s stays: %s", video.id, refused)
    return removed


def _kept_folders() -> set[str]:
    """Return the folders in which somebody may be writing, or that hold a recording.

    A video's picture may be in the folder of another one.
    """
    # A recording is older than LIVE_KEEP_SEGMENTS_HOURS: LIVE_RECORDINGS_DAYS is for it.
    playing = ~Q(status=Video.Status.ENDED) | Q(playlist__endswith=f"/{REPLAY_PLAYLIST}")
    playlists = Video.objects.filter(playing).exclude(playlist="").values_list("playlist", flat=True)
    return {playlist.split("/")[2] for playlist in playlists}


def _is_ingested(video_id: UUID) -> bool:
    """Whether the ingest has still to finish it, and to make a recording of its segments."""
    return (folder_of(video_id) / INGESTED).exists()


def _folder_names() -> list[str]:
    try:
        return sorted(path.name for path in Path(settings.MEDIA_ROOT).iterdir())
    except FileNotFoundError:
        return []


def _pages(names: list[str]) -> Iterator[list[UUID]]:
    """Return the ids that the names of folders are, whether there are such videos or not, some at a time."""
    ids = [id for name in names if (id := _id_of(name))]
    for start in range(0, len(ids), ROWS_MAX):
        yield ids[start : start + ROWS_MAX]


def _id_of(name: str) -> UUID | None:
    try:
        id = UUID(name)
    except ValueError:
        return None
    return id if str(id) == name else None


def _clear(folder: Path, before: datetime) -> int:
    removed = 0
    try:
        for path in folder.iterdir():
            if path.suffix in LIVE_SUFFIXES and path.is_file() and path.stat().st_mtime < before.timestamp():
                path.unlink(missing_ok=True)
                removed += 1
    except OSError as error:
        logger.warning("old segments stay in %s: %s", folder, error.strerror)
    return removed
