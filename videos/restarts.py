"""A broadcast that has ended goes on: the same video is live again, with its comments, likes and recording.

Called by the API. The picture comes by the same key. The ingest (ingest.desk) goes on in the list of the recording,
with a discontinuity; the time between is in no picture. What cannot be: after an hour; while another broadcast of
theirs is live, for the key's picture would go to that one; what was trimmed away or deleted of the recording does not
come back.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from accounts.models import Viewer
from videos import broadcasts
from videos.incoming import REPLAY_PLAYLIST, live_playlist
from videos.models import TimelineStep, Video
from videos.timeline import STEP, step_of
from web.refusals import Conflict

RESTART = timedelta(hours=1)
"""How long after its end a broadcast can go on."""


def restart_video(video_id: UUID, actor: Viewer) -> Video:
    """Be live again. For a live one nothing changes. Raises NotFound, Forbidden, Conflict."""

    def change(video: Video) -> bool:
        if video.status == Video.Status.LIVE:
            return False
        _check(video)
        assert video.ended_at is not None
        # Nobody watched meanwhile.
        TimelineStep.objects.update_or_create(video=video, at=step_of(video.ended_at) + STEP, defaults={"viewers": 0})
        now = timezone.now()
        video.status, video.ended_at, video.started_at = Video.Status.LIVE, None, video.started_at or now
        if video.playlist == f"/media/{video.id}/{REPLAY_PLAYLIST}":
            # Else its encoder has not left, or the playlist is not of the ingest: both play on.
            video.playlist = live_playlist(video.id)
            video.picture, video.picture_since = Video.Picture.WAITING, now
        return True

    return broadcasts.change_video(video_id, actor, change)


def _check(video: Video) -> None:
    """Raises Conflict for a broadcast that cannot go on."""
    if video.status == Video.Status.UPCOMING or video.ended_at is None:
        raise Conflict("This broadcast has not begun yet.", code="not_ended")
    if timezone.now() - video.ended_at > RESTART:
        raise Conflict("A broadcast can go on within an hour of its end. Make a new one.", code="too_late")
    others = Video.objects.filter(owner=video.owner_id, status=Video.Status.LIVE)
    if others.exclude(id=video.id).exists():
        raise Conflict("Another broadcast of yours is live. End that one first.", code="other_live")
