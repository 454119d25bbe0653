"""The video of the demo broadcast. Named by `DEMO_VIDEO` in the settings, called by host.demo, which makes its picture.

It belongs to an account that nobody can sign in to; a moderator may end it like any other.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from accounts.tokens import issue_token
from videos import broadcasts, keys
from videos.models import Video

USERNAME = "demo"


def open_broadcast() -> UUID:
    """Return the demo's live video; make broadcaster, video and an upcoming one where they are missing."""
    with transaction.atomic():
        broadcaster, new = Viewer.objects.select_for_update().get_or_create(
            username=USERNAME, defaults={"name": "Demo studio", "is_broadcaster": True, "password": "!"}
        )
    video = _live(broadcaster)
    if video is None:
        video = broadcasts.create_video(
            broadcaster,
            title="Clock over the northern lights",
            description="The demo broadcast: a live picture with a running clock, made on this machine.",
        )
        broadcasts.start_video(video.id, broadcaster)
    # It may run for weeks.
    broadcasts.update_video(video.id, broadcaster, is_recorded=False)
    if new:
        broadcasts.create_video(
            broadcaster,
            title="Questions and answers",
            description="An upcoming video: comments are open before it starts.",
            starts_at=(timezone.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0),
        )
    return video.id


def name_for_once() -> str:
    """Return with what the demo's picture is sent, once: no key stands in a command line."""
    return keys.name_for_once(Viewer.objects.get(username=USERNAME))


def token() -> str:
    """Return a token with which the demo's broadcaster acts by the API."""
    return issue_token(Viewer.objects.get(username=USERNAME))


def close_broadcast() -> None:
    """End the demo's live video, if there is one: without its picture it would only seem to be live."""
    broadcaster = Viewer.objects.filter(username=USERNAME).first()
    if broadcaster and (video := _live(broadcaster)):
        broadcasts.end_video(video.id, broadcaster)


def is_live(video_id: UUID) -> bool:
    return Video.objects.filter(pk=video_id, status=Video.Status.LIVE).exists()


def _live(broadcaster: Viewer) -> Video | None:
    return broadcaster.videos.filter(status=Video.Status.LIVE).first()
