"""What nobody needs any more: expired sessions, guests without a trace, the live pictures of videos that are over.

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
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, ManyToOneRel, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Viewer
from videos.auth import TOKEN_DAYS
from videos.media import SEGMENTS, remove_pictures
from videos.models import DeletedVideo, Video
from videos.removal import belongings

logger = logging.getLogger(__name__)

ROWS_MAX = 1_000  # of one transaction or look
LIVE_SUFFIXES = (*SEGMENTS, ".m3u8", ".tmp")


def forget_sessions() -> int:
    """Delete the sessions that have expired. Returns how many."""
    expired = Session.objects.filter(expire_date__lt=timezone.now()).values_list("session_key", flat=True)
    deleted = 0
    while keys := list(expired[:ROWS_MAX]):
        deleted += Session.objects.filter(session_key__in=keys).delete()[0]
    return deleted


# Guests


def guests_gone_before() -> datetime:
    """Return when a guest was here last who can come back by no session and no token.

    A session lasts from the sign-in on, and gives new tokens until its end.
    """
    return timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE, days=TOKEN_DAYS)


def forget_guests() -> int:
    """Delete the guests who cannot come back, and of whom nothing is left. Returns how many."""
    before = guests_gone_before()
    deleted, place = 0, UUID(int=0)
    # Ids begin with the time in ms (UUID version 7), so each look takes up where the last one ended.
    old = Viewer.objects.filter(id__lt=UUID(int=int(before.timestamp() * 1000) << 80)).order_by("id")
    while ids := list(old.filter(id__gt=place).values_list("id", flat=True)[:ROWS_MAX]):
        place = ids[-1]
        deleted += _forget(list(_traceless(before).filter(id__in=ids).values_list("id", flat=True)), before)
    return deleted


def _traceless(before: datetime) -> QuerySet[Viewer]:
    """Return the guests of before that no row of any table belongs to, and whom nobody has given a right."""
    guests = Viewer.objects.filter(is_guest=True, is_broadcaster=False, is_staff=False, is_superuser=False)
    for moment in ("date_joined", "last_login", "last_active_at"):
        guests = guests.filter(Q(**{moment: None}) | Q(**{f"{moment}__lt": before}))
    for relation in Viewer._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            rows = relation.related_model._default_manager.filter(**{relation.field.name: OuterRef("pk")})
            guests = guests.filter(~Exists(rows))
    return guests


@transaction.atomic
def _forget(guest_ids: list[UUID], before: datetime) -> int:
    # Locked, and then looked at again: what refers to them meanwhile waits, and finds no viewer.
    locked = Viewer.objects.select_for_update(skip_locked=True).filter(id__in=guest_ids)
    ids = list(_traceless(before).filter(id__in=[guest.id for guest in locked]).values_list("id", flat=True))
    for kept in belongings:
        kept.forget(ids)
    Viewer.objects.filter(id__in=ids).delete()
    return len(ids)


# Pictures


def clear_pictures() -> int:
    """Delete the pictures of deleted videos, and the live segments of those that ended some time ago.

    That time is LIVE_KEEP_SEGMENTS_HOURS; what was written since stays as well. The poster stays with its video. Only
    folders of this machine. Returns how many files and folders.
    """
    ended_before = timezone.now() - timedelta(hours=settings.LIVE_KEEP_SEGMENTS_HOURS)
    on_air = _playing_folders()
    removed = 0
    for ids in _folders():
        for video_id in DeletedVideo.objects.filter(id__in=ids).values_list("id", flat=True):
            removed += remove_pictures(video_id)
        ended = Video.objects.filter(id__in=ids, status=Video.Status.ENDED, ended_at__lt=ended_before)
        for video_id in ended.values_list("id", flat=True):
            if str(video_id) not in on_air:
                removed += _clear(Path(settings.MEDIA_ROOT) / str(video_id), ended_before)
    return removed


def _playing_folders() -> set[str]:
    """Return the folders in which somebody may be writing: a video's picture may be in the folder of another one."""
    playlists = Video.objects.exclude(status=Video.Status.ENDED).exclude(playlist="").values_list("playlist", flat=True)
    return {playlist.split("/")[2] for playlist in playlists}


def _folders() -> Iterator[list[UUID]]:
    """Return the folders of videos, whether there are such videos or not, some at a time."""
    try:
        names = sorted(path.name for path in Path(settings.MEDIA_ROOT).iterdir())
    except FileNotFoundError:
        return
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
