"""What viewers have here: votes and questions. A guest who signs in takes them along; with an account they go.

Hop: beside the path, called by accounts.merging and accounts.removal (accounts.belongings). Of two votes in one poll,
or for one question, the account's stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.belongings import Belongings
from accounts.models import Viewer
from polls import questions
from polls.board import access_json, board_topic
from polls.models import Announcement, Poll, Question, QuestionVote, Vote
from polls.polls import newest_votes
from polls.questions import questions_topic
from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import Video

VOTES_MAX = 200  # of one transaction that holds their boards

_TAKE_BACK = """
WITH gone AS (DELETE FROM polls_vote WHERE viewer_id = %s AND poll_id = ANY(%s) RETURNING option_id)
UPDATE polls_polloption SET votes = votes - 1 WHERE id IN (SELECT option_id FROM gone)
"""


def _videos_of(poll_ids: Collection[UUID]) -> set[UUID]:
    return set(Video.objects.filter(polls__in=poll_ids).values_list("id", flat=True))


def _take_back(viewer_id: UUID, poll_ids: Collection[UUID], heads: log.LockedHeads) -> None:
    """Take a viewer's votes in some polls back. Their boards are locked."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, [viewer_id, list(poll_ids)])
    videos = sorted(_videos_of(poll_ids))
    votes = newest_votes(videos)
    for id in videos:
        log.record_counters(heads[board_topic(id)], votes.get(id, {}))


class VotesOfViewer(Belongings):
    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        voted = Vote.objects.filter(viewer_id=guest_id).values_list("poll__video_id", flat=True)
        made = Video.objects.filter(owner_id=guest_id, has_board=True).values_list("id", flat=True)
        return {board_topic(id) for id in {*voted, *made}}

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        mine = Vote.objects.filter(viewer=account).values("poll_id")
        doubled = list(Vote.objects.filter(viewer=guest, poll_id__in=mine).values_list("poll_id", flat=True))
        if doubled:
            _take_back(guest.id, doubled, heads)
        Vote.objects.filter(viewer=guest).update(viewer=account)
        Poll.objects.filter(opener=guest).update(opener=account)
        Announcement.objects.filter(author=guest).update(author=account)
        for video in Video.objects.filter(owner=account, has_board=True):  # some of them were the guest's
            if (head := heads.get(board_topic(video.id))) is not None:
                log.record(head, "access", {"access": access_json(video)})

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        voted = Vote.objects.filter(viewer_id=viewer_id).values_list("poll_id", flat=True)
        while poll_ids := list(voted[:VOTES_MAX]):
            with transaction.atomic():
                heads = log.lock_topics(board_topic(id) for id in _videos_of(poll_ids))
                _take_back(viewer_id, poll_ids, heads)

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        voted = Vote.objects.filter(viewer_id=viewer_id).order_by("created_at")
        return {"votes": voted.values("poll__question", "option__text", "created_at").iterator()}

    def are_left(self, viewer_id: UUID) -> bool:
        return Vote.objects.filter(viewer_id=viewer_id).exists()


_TAKE_QUESTION_VOTES_BACK = """
WITH gone AS (DELETE FROM polls_questionvote WHERE viewer_id = %s AND question_id = ANY(%s) RETURNING question_id)
UPDATE polls_question SET votes = votes - 1 WHERE id IN (SELECT question_id FROM gone)
"""


def _take_question_votes_back(viewer_id: UUID, question_ids: Collection[int], heads: log.LockedHeads) -> None:
    """Take a viewer's votes for some questions back. Their lists are locked."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_QUESTION_VOTES_BACK, [viewer_id, list(question_ids)])
    videos = sorted(set(Question.objects.filter(id__in=question_ids).values_list("video_id", flat=True)))
    votes = questions.listed_votes(videos)
    for id in videos:
        log.record_counters(heads[questions_topic(id)], votes.get(id, {}))


class QuestionsOfViewer(Belongings):
    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        voted = QuestionVote.objects.filter(viewer_id=guest_id).values_list("question__video_id", flat=True)
        asked = Question.objects.filter(author_id=guest_id).values_list("video_id", flat=True)
        made = Video.objects.filter(owner_id=guest_id, has_board=True).values_list("id", flat=True)
        lists = {questions_topic(id) for id in {*voted, *asked, *made}}
        return lists | {board_topic(id) for id in asked}

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        mine = QuestionVote.objects.filter(viewer=account).values("question_id")
        doubled = QuestionVote.objects.filter(viewer=guest, question__in=mine)
        if ids := list(doubled.values_list("question_id", flat=True)):
            _take_question_votes_back(guest.id, ids, heads)
        QuestionVote.objects.filter(viewer=guest).update(viewer=account)
        asked = list(Question.objects.filter(author=guest).order_by("id"))
        # An author has each client_id once; it was for repeating a question that may have been lost.
        Question.objects.filter(author=guest).update(author=account, client_id=None)
        questions.rename(heads, asked, account)
        for video in Video.objects.filter(owner=account, has_board=True):  # some of them were the guest's
            if (head := heads.get(questions_topic(video.id))) is not None:
                log.record(head, "access", {"access": access_json(video)})

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        asked = Question.objects.filter(author_id=viewer_id)
        for video_id in sorted(set(asked.values_list("video_id", flat=True))):
            with transaction.atomic():
                heads = log.lock_topics([board_topic(video_id), questions_topic(video_id)])
                if shown := list(asked.filter(video_id=video_id, deleted_at=None).select_related("author")):
                    questions.take_away(heads, shown)
                asked.filter(video_id=video_id).delete()
        voted = QuestionVote.objects.filter(viewer_id=viewer_id).values_list("question_id", flat=True)
        while ids := list(voted[:VOTES_MAX]):
            with transaction.atomic():
                videos = set(Question.objects.filter(id__in=ids).values_list("video_id", flat=True))
                _take_question_votes_back(viewer_id, ids, log.lock_topics(map(questions_topic, videos)))

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        asked = Question.objects.filter(author_id=viewer_id).order_by("id")
        voted = QuestionVote.objects.filter(viewer_id=viewer_id).order_by("created_at")
        return {
            "questions": asked.values("video_id", "body", "votes", "asked_at", "answered_at").iterator(),
            "question_votes": voted.values("question__body", "created_at").iterator(),
        }

    def are_left(self, viewer_id: UUID) -> bool:
        return (
            Question.objects.filter(author_id=viewer_id).exists()
            or QuestionVote.objects.filter(viewer_id=viewer_id).exists()
        )
