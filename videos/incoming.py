"""Which video a picture that comes in belongs to, and what becomes of the video. Called by the ingest.

A key is a broadcaster's, not a video's: its picture goes to the video that is live or next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import CharField, F, Q, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from accounts.models import Viewer
from realtime.table.redis import key_prefix
from videos import broadcasts
from videos.keys import broadcaster_of, key_of
from videos.media import remove_pictures
from videos.models import DeletedVideo, Video
from videos.text import automatic_title, may_pull
from web.refusals import Conflict, Refused

ENDED = (
    "The broadcast has ended. Stop the encoder. Go on with it in the studio, announce another video, or start it again"
    " a minute later."
)
LIVE_PLAYLIST, MASTER_PLAYLIST, REPLAY_PLAYLIST = "live.m3u8", "master.m3u8", "replay.m3u8"
_LIVE = (LIVE_PLAYLIST, MASTER_PLAYLIST)
DOWNLOAD = "recording.mp4"
COMES_BACK = timedelta(seconds=60)
INGESTED = "live-delta.m3u8"
"""A file that the ingest alone writes beside a live playlist."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A video that takes a picture, and whose it is. `status`: when that was asked for."""

    video_id: UUID
    owner: Viewer
    is_recorded: bool
    status: str


def find(key: str, *, video_id: UUID | None = None, comes_back: bool = False) -> Incoming:
    """Return the video that the key's picture goes to: the one that is named, or the one that is live or next.

    After the end of a broadcast its encoder may come back by itself, not knowing of the end: for a minute, and for as
    long as it tries again (`comes_back`), only a video that was announced or started since then takes its picture.
    Raises WrongKey, Conflict.
    """
    owner = broadcaster_of(key)
    open_videos = Video.objects.filter(owner=owner).exclude(status=Video.Status.ENDED)
    if video_id is not None:
        if (video := open_videos.filter(id=video_id).first()) is None:
            raise Conflict(ENDED, code="video_ended")
        return _shows(video, owner)
    live = open_videos.filter(status=Video.Status.LIVE).order_by("-started_at").first()
    ended_at = _last_end(owner)
    if live is None and ended_at is not None and (comes_back or timezone.now() - ended_at < COMES_BACK):
        open_videos = open_videos.filter(created_at__gt=ended_at)
        if not open_videos.exists():
            raise Conflict(ENDED, code="video_ended")
    video = live or open_videos.order_by(F("starts_at").asc(nulls_last=True), "id").first()
    if video is None:
        video = broadcasts.create_video(owner, title=_title(owner))
    return _shows(video, owner)


def live_playlist(video_id: UUID) -> str:
    """Return what a video shows while the ingest makes its picture."""
    return f"/media/{video_id}/{MASTER_PLAYLIST if settings.LIVE_LADDER else LIVE_PLAYLIST}"


def _shows(video: Video, owner: Viewer) -> Incoming:
    """Have the video show what the ingest makes."""
    playlist = live_playlist(video.id)
    if video.playlist != playlist:
        # Nothing is listed yet: players would ask in vain, and come back later than the picture.
        waiting = {"picture": Video.Picture.WAITING, "picture_since": timezone.now()}
        broadcasts.update_video(video.id, owner, playlist=playlist, **waiting)
    return Incoming(video.id, owner, video.is_recorded, video.status)


def _title(owner: Viewer) -> str:
    today = Video.objects.filter(owner=owner, created_at__gte=timezone.now() - timedelta(days=1))
    return automatic_title(owner.name, timezone.now(), set(today.values_list("title", flat=True)))


def _last_end(owner: Viewer) -> datetime | None:
    ended = Video.objects.filter(owner=owner, status=Video.Status.ENDED, ended_at__isnull=False)
    return ended.order_by("-ended_at").values_list("ended_at", flat=True).first()


@dataclass(frozen=True, slots=True)
class Pull:
    """A picture that is fetched from an address, and the key with which it comes in."""

    video_id: UUID
    source: str
    key: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.source)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def pulls() -> frozenset[Pull]:
    """Return what is to be fetched now: for videos that are live, and those whose planned start has come."""
    now = Q(status=Video.Status.LIVE) | Q(status=Video.Status.UPCOMING, starts_at=None)
    due = now | Q(status=Video.Status.UPCOMING, starts_at__lte=timezone.now())
    found = set()
    for video in Video.objects.filter(due).exclude(source="").select_related("owner"):
        if may_pull(video.source):
            with contextlib.suppress(Refused):  # its owner may broadcast no more
                found.add(Pull(video.id, video.source, key_of(video.owner)))
    return frozenset(found)


def left_open() -> list[Incoming]:
    """Return the videos whose picture an ingest that ended did not finish."""
    open_videos = ~Q(picture="") & ~Q(status=Video.Status.ENDED)
    found = Video.objects.filter(open_videos | unfinished()).select_related("owner")
    return [Incoming(one.id, one.owner, one.is_recorded, one.status) for one in found]


def unfinished() -> Q:
    """Return which videos have ended and still show their live picture: there may be a recording to come.

    Or an encoder of somebody's own writes their playlists.
    """
    shown = [Concat(Value("/media/"), Cast("id", CharField()), Value(f"/{name}")) for name in _LIVE]
    return Q(status=Video.Status.ENDED, playlist__in=shown)


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """How it is with a video that takes a picture. `refusal`: why it takes none by its key any more; "": it does.

    `picture`: what the database says of it.
    """

    status: str
    refusal: str = ""
    picture: str = ""


def standings(keys: Mapping[UUID, str]) -> dict[UUID, KeyStanding]:
    """Return how it is with these videos. `keys`: with which their pictures are sent; "": nobody sends."""
    there = Video.objects.in_bulk(keys)
    return {id: _standing(there.get(id), key) for id, key in keys.items()}


def _standing(video: Video | None, key: str) -> KeyStanding:
    if video is None or video.status == Video.Status.ENDED:
        return KeyStanding(Video.Status.ENDED, "The broadcast has ended.")
    return KeyStanding(video.status, _refusal(video, key), video.picture)


def _refusal(video: Video, key: str) -> str:
    try:
        if key and broadcaster_of(key).id != video.owner_id:
            return "The video belongs to somebody else now."
    except Refused as error:
        return error.detail
    return ""


def finish(incoming: Incoming, *, has_recording: bool, stays_live: bool = False) -> None:
    """End the video, if that has not been done, and have it show its recording or nothing.

    A video that was not live yet is still to come: its broadcaster has only tried the picture. `stays_live`: one that
    is live waits for its next picture. It is live again (videos.restarts), or no picture has come yet. Of one that was
    deleted meanwhile no file stays.
    It may belong to somebody else by now.
    """
    id = incoming.video_id
    video = Video.objects.select_related("owner").filter(id=id).first()
    if video is None:
        if DeletedVideo.objects.filter(id=id).exists():
            remove_pictures(id)
        return
    if video.status == Video.Status.UPCOMING:
        broadcasts.set_picture(id, video.owner, "")
        return
    if stays_live and video.status == Video.Status.LIVE:
        broadcasts.set_picture(id, video.owner, Video.Picture.WAITING)
        return
    broadcasts.end_video(id, video.owner)
    broadcasts.update_video(id, video.owner, playlist=f"/media/{id}/{REPLAY_PLAYLIST}" if has_recording else "")


def health_key(video_id: UUID) -> str:
    """Return where in Redis the ingest says how the picture is doing."""
    return f"{key_prefix()}picture:{video_id}"


def refusal_key(viewer_id: UUID) -> str:
    """Return where in Redis the ingest says why it took no picture of a broadcaster."""
    return f"{key_prefix()}refusal:{viewer_id}"


def downloads_key() -> str:
    """Return where in Redis the videos are whose recording somebody wants as one file."""
    return f"{key_prefix()}downloads"
