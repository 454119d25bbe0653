"""The mark of a moderator beside the name of somebody who has written comments: changed when their role does.

Hop: moderation.acts calls it, in its transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from accounts.models import Viewer
from accounts.representation import person
from moderation.roles import MARKED, role_in
from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import Comment


class MarksOfComments:
    """The mark beside a moderator's name at the comments that they have written in a channel."""

    def topics(self, owner_id: UUID, viewer_id: UUID) -> Collection[TopicName]:
        return {
            TopicName(f"video:{video_id}")
            for video_id in Comment.objects.filter(author=viewer_id, video__owner=owner_id)
            .values_list("video_id", flat=True)
            .distinct()
        }

    def publish(self, owner_id: UUID, viewer: Viewer, heads: log.LockedHeads) -> None:
        """The role is written already."""
        role = "moderator" if role_in(owner_id, viewer) in MARKED else None
        data = {"author": {**person(viewer), "role": role}}
        videos = [topic for topic in heads if topic.startswith("video:")]
        if videos:
            log.record_many(heads, [(topic, "author", data) for topic in videos])
