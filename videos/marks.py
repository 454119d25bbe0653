"""What is beside the name of somebody who has written comments: the mark of a moderator, and their picture.

Hop: moderation.acts and accounts.portraits call it when it changes, in their transactions.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Max

from accounts.belongings import Belongings
from accounts.models import Viewer
from accounts.representation import with_picture
from moderation.roles import MARKED, role_in
from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import Comment, Video
from videos.representation import role_of

FACES_MAX_VIDEOS = 200


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
        data = {"author": {**with_picture(viewer), "role": role}}
        videos = [topic for topic in heads if topic.startswith("video:")]
        if videos:
            log.record_many(heads, [(topic, "author", data) for topic in videos])


class FacesOfComments(Belongings):
    """The picture beside the comments of a person, in the videos where they have written last."""

    def seen_in(self, viewer_id: UUID) -> Collection[TopicName]:
        found = Comment.objects.filter(author=viewer_id).values("video_id").annotate(newest=Max("created_at"))
        return {TopicName(f"video:{row['video_id']}") for row in found.order_by("-newest")[:FACES_MAX_VIDEOS]}

    def show_face(self, viewer: Viewer, heads: log.LockedHeads) -> None:
        ids = [topic.removeprefix("video:") for topic in heads if topic.startswith("video:")]
        owners = dict(Video.objects.filter(id__in=ids).values_list("id", "owner_id"))
        marked = {owner_id: role_in(owner_id, viewer) in MARKED for owner_id in {*owners.values()}}
        face = with_picture(viewer)
        events = [
            (
                TopicName(f"video:{id}"),
                "author",
                {"author": {**face, "role": role_of(viewer.id, is_moderator=marked[owner_id], owner_id=owner_id)}},
            )
            for id, owner_id in owners.items()
        ]
        if events:
            log.record_many(heads, events)
