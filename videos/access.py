"""A video held by its topic's lock, for somebody who may see it or has a right. Called by broadcasts and moderation."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Viewer
from moderation import audit
from moderation import rights as channel_rights
from realtime.events import TopicName
from realtime.log import writer as log
from videos import rights
from videos.models import Video
from videos.rights import may_watch
from web.refusals import Conflict, Forbidden, NotFound


def locked(video_id: UUID, actor: Viewer, *, right: str = "") -> tuple[log.LockedHead, Video]:
    """Return the topic, locked, and the video, if this viewer may see it or has the right. Raises NotFound."""
    head, video = locked_anyway(video_id)
    if not (may_watch(video, actor) or (right and actor.has_perm(right))):
        raise NotFound("There is no such video.")
    return head, video


def locked_anyway(video_id: UUID) -> tuple[log.LockedHead, Video]:
    """Return the topic, locked, and the video, for an act on one's own things in it. Raises NotFound."""
    topic = TopicName(f"video:{video_id}")
    head = log.lock_topics([topic]).get(topic)
    video = Video.objects.select_related("owner").filter(id=video_id).first()
    if head is None or video is None:
        raise NotFound("There is no such video.")
    return head, video


def locked_for(right: str, video_id: UUID, actor: Viewer) -> tuple[log.LockedHead, Video]:
    """Return the topic, locked, and the video, for somebody with the right. Raises NotFound, Forbidden."""
    head, video = locked(video_id, actor, right=right)
    require(right, video, actor)
    return head, video


def locked_channel(act: str, video_id: UUID, actor: Viewer, *also: TopicName) -> tuple[log.LockedHeads, Video]:
    """Do what `locked_with_channel` does, for somebody who may do the act there (moderation.rights).

    Raises NotFound, Forbidden, Conflict.
    """
    heads, video = locked_with_channel(video_id, actor, *also)
    channel_rights.require(act, video.owner_id, actor)
    return heads, video


def locked_with_channel(video_id: UUID, actor: Viewer, *also: TopicName) -> tuple[log.LockedHeads, Video]:
    """Return the topics of the video and of its channel's moderation, locked, and the video, if they may see it.

    `also`: other topics to lock with them.

    Raises NotFound, Conflict.
    """
    owner_id = Video.objects.filter(id=video_id).values_list("owner_id", flat=True).first()
    if owner_id is None:
        raise NotFound("There is no such video.")
    heads = audit.lock(owner_id, TopicName(f"video:{video_id}"), *also)
    _, video = locked(video_id, actor)
    if video.owner_id != owner_id:
        raise Conflict("The broadcaster has just signed in to another account. Try again.")
    return heads, video


def require(right: str, video: Video, actor: Viewer) -> None:
    if not rights.may(right, video, actor):
        raise Forbidden("Only the broadcaster and moderators can do this.")
