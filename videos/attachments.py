"""What other apps attach to videos: topics of their own beside the video's. Each app adds its own at start.

Called by broadcasts when a video changes, and by removal when it is deleted.
"""

from __future__ import annotations

from uuid import UUID

from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import Video


class Attachment:
    """What one app attaches to videos, under a topic for each."""

    def topic(self, video_id: UUID) -> TopicName:
        raise NotImplementedError

    def changed(self, before: Video, video: Video, head: log.LockedHead) -> None:
        """Follow a change of the video, in its transaction. `head`: the topic of what is attached, locked."""

    def take_away(self, video_id: UUID) -> None:
        """Delete the rows of what is attached, in short transactions, before the video goes."""


attachments: list[Attachment] = []


def topics_of(video_id: UUID) -> list[TopicName]:
    """Return the topics of a video and of all that may be attached to it. The video's own is the first."""
    return [TopicName(f"video:{video_id}"), *(attached.topic(video_id) for attached in attachments)]


def lock(video_id: UUID) -> log.LockedHeads:
    """Lock the topics of a video and of what is attached to it, in the order of names. One query."""
    return log.lock_topics(topics_of(video_id))


def changed(before: Video, video: Video, heads: log.LockedHeads) -> None:
    for attached in attachments:
        if (head := heads.get(attached.topic(video.id))) is not None:
            attached.changed(before, video, head)
