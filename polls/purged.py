"""Questions that go with the comments of a person or of an attack, and come back with them. Part of videos.purges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from moderation import complaints
from moderation.models import AuditEntry, about_question
from polls import questions
from polls.board import board_topic
from polls.models import Question
from polls.questions import questions_topic
from realtime.events import TopicName
from realtime.log import writer as log
from videos.purges import AlsoPurged, Chosen


class QuestionsOfPurge(AlsoPurged):
    noun = "question"

    def topics(self, video_ids: Collection[UUID]) -> set[TopicName]:
        return {*map(board_topic, video_ids), *map(questions_topic, video_ids)}

    def find(self, chosen: Chosen) -> Mapping[UUID, Sequence[Question]]:
        since = Q(asked_at__gte=chosen.written_from) if chosen.written_from else Q()
        found = _by_video(Question.objects.filter(chosen.texts, since))
        return {
            id: like for id, asked in found.items() if (like := [each for each in asked if chosen.is_like(each.body)])
        }

    def take_away(self, heads: log.LockedHeads, found: Sequence[Question], act: AuditEntry) -> None:
        questions.take_away(heads, found, deletion=act.id)
        if act.channel_id is not None:
            complaints.settle(heads, act.channel_id, [about_question(question.id) for question in found], act)

    def deleted_by(self, act: AuditEntry) -> Mapping[UUID, Sequence[Question]]:
        of = Q(video=act.video_id) if act.video_id else Q(author=act.viewer_id)
        return _by_video(Question.objects.filter(of, deletion=act.id, deleted_at__isnull=False))

    def bring_back(self, heads: log.LockedHeads, found: Sequence[Question]) -> None:
        questions.bring_back(heads, found)


def _by_video(asked: QuerySet[Question]) -> dict[UUID, list[Question]]:
    found: dict[UUID, list[Question]] = {}
    for question in asked.select_related("author").order_by("id"):
        found.setdefault(question.video_id, []).append(question)
    return found
