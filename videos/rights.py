"""Who may do what to videos that are not their own: Django's permissions decide, here as in the admin.

Called by acts, topics, pages and the admin; it knows no request. A broadcaster may do
everything to their own videos, a superuser to all. `is_staff` lets people into the admin and gives no right by itself.
"""

from __future__ import annotations

from accounts.models import Viewer
from moderation import rights as channel_rights
from moderation.roles import SITE_MODERATOR
from videos.models import Video

ADD = "videos.add_video"
CHANGE = "videos.change_video"
DELETE = "videos.delete_video"
MODERATE = SITE_MODERATOR


SEE = ("videos.view_video", CHANGE, DELETE, MODERATE)
"""Each of these opens private videos: nobody works on what they do not see. So does a role in the channel."""


def may(right: str, video: Video, viewer: Viewer | None) -> bool:
    return viewer is not None and (video.owner_id == viewer.id or viewer.has_perm(right))


def may_watch(video: Video, viewer: Viewer | None) -> bool:
    if video.visibility != Video.Visibility.PRIVATE or any(may(right, video, viewer) for right in SEE):
        return True
    return channel_rights.may("watch", video.owner_id, viewer)


def may_broadcast(viewer: Viewer) -> bool:
    return viewer.is_broadcaster or viewer.has_perm(ADD)


# The same for many at once, inside their query
