"""What a board does when its video changes or goes. Part of videos.attachments."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from polls import questions, raids
from polls.board import access_json, board_topic
from polls.models import Poll, Question, QuestionList
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
_QUESTION_VOTES_OF_VIDEO = """
DELETE FROM polls_questionvote WHERE (question_id, viewer_id) IN (
  SELECT question_id, viewer_id FROM polls_questionvote JOIN polls_question q ON q.id = question_id
  WHERE q.video_id = %s LIMIT %s
)
"""


def _delete_votes(query: str, video_id: UUID) -> None:
    """Delete in short transactions."""
    with connection.cursor() as cursor:
        cursor.execute(query, [video_id, ROWS_MAX])
        while cursor.rowcount == ROWS_MAX:
            cursor.execute(query, [video_id, ROWS_MAX])


class BoardOfVideo(Attachment):
    def topic(self, video_id: UUID) -> TopicName:
        return board_topic(video_id)

    def changed(self, before: Video, video: Video, head: log.LockedHead) -> None:
        """Those who may read the video may read its board. What is open ends with the broadcast."""
        if access_json(before) != (access := access_json(video)):
            log.record(head, "access", {"access": access})
        if video.status != Video.Status.ENDED:
            return
        if (poll := newest_poll(video.id)) is not None:
            close_in(head, poll)
        if before.status != video.status and (said := questions.questions_json(video.id)) is not None:
            log.record(head, "questions", {"questions": said})

    def take_away(self, video_id: UUID) -> None:
        _delete_votes(_VOTES_OF_VIDEO, video_id)
        Poll.objects.filter(video_id=video_id).delete()
        raids.forget(video_id)


class QuestionsOfVideo(Attachment):
    """Comes before the board, which says what is left of it."""

    def topic(self, video_id: UUID) -> TopicName:
        return questions.questions_topic(video_id)

    def changed(self, before: Video, video: Video, head: log.LockedHead) -> None:
        if access_json(before) != (access := access_json(video)):
            log.record(head, "access", {"access": access})
        if before.status != video.status and video.status == Video.Status.ENDED:
            questions.close_in(head, video.id)

    def take_away(self, video_id: UUID) -> None:
        _delete_votes(_QUESTION_VOTES_OF_VIDEO, video_id)
        Question.objects.filter(video_id=video_id).delete()
        QuestionList.objects.filter(video_id=video_id).delete()
