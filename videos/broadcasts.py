"""What broadcasters do with a video: announce, change, start, end. Written, committed, and only then published.

Hop: called by the API, the admin and removal; realtime.log.writer records it for those who watch.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from realtime.events import TopicName
from realtime.log import writer as log
from videos import attachments, rights
from videos.access import locked_for
from videos.models import LikeCount, LikeKind, Video
from videos.representation import video_json
from web.refusals import Conflict, Forbidden


@transaction.atomic
def create_video(owner: Viewer, **fields: Any) -> Video:
    """Announce a video: its row, its topic, its counters at zero. Raises Forbidden."""
    if not rights.may_broadcast(owner):
        raise Forbidden("Only broadcasters can do this.")
    video = Video(owner=owner, **fields)
    video.save(force_insert=True)
    log.create_topic(TopicName(video.topic))
    LikeCount.objects.bulk_create(LikeCount(video=video, kind=kind, count=0) for kind in LikeKind.values)
    return video


def update_video(video_id: UUID, actor: Viewer, **fields: Any) -> Video:
    """Change a video's own fields and publish it. Raises NotFound, Forbidden."""

    def change(video: Video) -> bool:
        changed = {name: value for name, value in fields.items() if getattr(video, name) != value}
        for name, value in changed.items():
            setattr(video, name, value)
        return bool(changed)

    return change_video(video_id, actor, change)


def close_video(video_id: UUID, actor: Viewer) -> Video:
    """End a video that is to be deleted, and take it from everybody. Raises NotFound, Forbidden."""

    def change(video: Video) -> bool:
        if video.status != Video.Status.ENDED:
            video.status, video.ended_at = Video.Status.ENDED, timezone.now()
        video.visibility = Video.Visibility.PRIVATE
        return True

    return change_video(video_id, actor, change, right=rights.DELETE)


def start_video(video_id: UUID, actor: Viewer) -> Video:
    """Go live. Starting a live one changes nothing. Raises NotFound, Forbidden, Conflict (it has ended)."""

    def change(video: Video) -> bool:
        if video.status == Video.Status.ENDED:
            raise Conflict("This broadcast has ended.", code="video_ended")
        if video.status == Video.Status.LIVE:
            return False
        video.status, video.started_at = Video.Status.LIVE, timezone.now()
        return True

    return change_video(video_id, actor, change)


def set_picture(video_id: UUID, actor: Viewer, state: str) -> Video:
    """Say what comes from the encoder. A video that starts itself goes live with its picture.

    Raises NotFound, Forbidden.
    """

    def change(video: Video) -> bool:
        if video.status == Video.Status.ENDED or video.picture == state:
            return False
        video.picture, video.picture_since = state, timezone.now() if state else None
        if state == Video.Picture.LIVE and video.starts_itself and video.status == Video.Status.UPCOMING:
            video.status, video.started_at = Video.Status.LIVE, video.picture_since
        return True

    return change_video(video_id, actor, change)


def end_video(video_id: UUID, actor: Viewer) -> Video:
    """End the broadcast. Ending an ended one changes nothing. Raises NotFound, Forbidden."""

    def change(video: Video) -> bool:
        if video.status == Video.Status.ENDED:
            return False
        video.status, video.ended_at = Video.Status.ENDED, timezone.now()
        video.picture, video.picture_since = "", None
        return True

    return change_video(video_id, actor, change)


@transaction.atomic
def change_video(
    video_id: UUID, actor: Viewer, change: Callable[[Video], bool], *, right: str = rights.CHANGE
) -> Video:
    """Have `change` change a video under its lock, and publish it if that returns True. Raises NotFound, Forbidden."""
    heads = attachments.lock(video_id)
    head, video = locked_for(right, video_id, actor)
    before = copy(video)
    if change(video):
        video.save(force_update=True)
        log.record(head, "video", {"video": video_json(video)})
        attachments.changed(before, video, heads)
    return video
