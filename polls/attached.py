"""What a board does when its video changes or goes. Part of videos.attachments."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from polls import raids
from polls.board import access_json, board_topic
from polls.models import Poll
from polls.polls import close_in, newest_poll
from realtime.events import TopicName
from realtime.log import writer as log
from realtime.log.retention import ROWS_MAX
from videos.attachments import Attachment
from videos.models import Video

_VOTES_OF_VIDEO = """
DELETE FROM polls_vote WHERE (poll_id, viewer_id) IN (
  SELECT poll_id, viewer_id FROM polls_vote JOIN polls_poll p ON p.id = poll_id WHERE p.video_id = %s LIMIT %s
)
"""


class BoardOfVideo(Attachment):
    def topic(self, video_id: UUID) -> TopicName:
        return board_topic(video_id)

    def changed(self, before: Video, video: Video, head: log.LockedHead) -> None:
        """Those who may read the video may read its board. What is open ends with the broadcast."""
        if access_json(before) != (access := access_json(video)):
            log.record(head, "access", {"access": access})
        if video.status == Video.Status.ENDED and (poll := newest_poll(video.id)) is not None:
            close_in(head, poll)

    def take_away(self, video_id: UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_VOTES_OF_VIDEO, [video_id, ROWS_MAX])
            while cursor.rowcount == ROWS_MAX:
                cursor.execute(_VOTES_OF_VIDEO, [video_id, ROWS_MAX])
        Poll.objects.filter(video_id=video_id).delete()
        raids.forget(video_id)
