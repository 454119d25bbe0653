"""Who is typing a comment: published to those who watch the video, while its room is small."""

from __future__ import annotations

import contextlib
from uuid import UUID

from accounts.models import Viewer
from accounts.tokens import Claim, viewer_of_claim
from accounts.typists import checked, publish
from moderation.restrictions import takes_part
from realtime.events import TopicName
from realtime.table.redis import shared_table
from realtime.table.scripts import TableUnavailable
from videos.models import Video
from videos.topics import visible_video
from web.refusals import Forbidden, NotFound

ROOM_MAX_VIEWERS = 50


async def type_at_video(video_id: UUID, who: Viewer | Claim, *, is_typing: bool) -> None:
    """Tell who watches the video, while they are few: in a crowd somebody always types.

    Raises SignedOut, NotFound, Forbidden (comments off, banned), StoreUnavailable.
    """
    topic = TopicName(f"video:{video_id}")
    typist = await checked(topic, who, lambda: _commenter(video_id, who), is_typing=is_typing)
    if typist is None:
        return
    with contextlib.suppress(TableUnavailable):  # then it is a room of unknown size
        if (await shared_table().watched([topic]))[topic].count <= ROOM_MAX_VIEWERS:
            publish(topic, typist, is_typing=is_typing)


def _commenter(video_id: UUID, who: Viewer | Claim) -> Viewer | None:
    viewer = viewer_of_claim(who)
    video = visible_video(video_id, viewer)
    if video.status == Video.Status.ENDED:
        raise NotFound("This broadcast has ended.", code="video_ended")
    if not video.comments_enabled:
        raise Forbidden("Comments are turned off.", code="comments_off")
    return viewer if takes_part(video.owner_id, viewer.id) else None
