"""Viewers' questions: switched on and off, answered, deleted. Written, committed, and only then published.

Hop: called by the API and the admin; realtime.log.writer records it for those who watch. Viewers ask and vote by
polls.asking. The list has a topic of its own, `questions:<video id>`: those who do not look at it load nothing of it.
Whether one may ask, and what is being answered, is on the board.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Viewer
from accounts.representation import person
from moderation import audit, complaints
from moderation.complaints import Reported
from moderation.models import Complaint, about_question
from moderation.rights import require
from moderation.undoing import undo
from polls.board import HeldBoard, board_topic, held, held_open
from polls.models import IS_LISTED, Question, QuestionList, QuestionVote
from polls.polls import votes_json
from realtime.events import TopicName
from realtime.log import writer as log
from videos.held import Approval, free_client_id
from videos.models import HeldComment, Video
from videos.topics import visible_video
from web.moments import to_ms
from web.refusals import Conflict, NotFound

LISTED_MAX = 100
"""How many questions of a video wait at the same time: its topic's snapshot has all of them."""
ANSWERED_MAX = 200

_VOTES = (
    "SELECT video_id, id, votes FROM polls_question"
    " WHERE video_id = ANY(%s) AND answered_at IS NULL AND deleted_at IS NULL"
)


def questions_topic(video_id: UUID) -> TopicName:
    return TopicName(f"questions:{video_id}")


def set_open(video_id: UUID, actor: Viewer, is_open: bool) -> dict[str, Any]:
    """Let viewers ask, or no longer; return what the board says. Votes go on. The same again changes nothing.

    Raises NotFound, Forbidden, Conflict (`video_ended`).
    """
    with (held_open if is_open else held)(video_id, actor) as board:
        topic = questions_topic(video_id)
        log.ensure_topics([topic])
        log.lock_topics([topic])  # who asks holds it; its name comes after those that are locked already
        known = QuestionList.objects.filter(video_id=video_id).first() or QuestionList(video_id=video_id, is_open=False)
        if known.is_open != is_open:
            known.is_open = is_open
            known.save()
            _publish_board(board.head, video_id)
            board.write_down("questions_on" if is_open else "questions_off", video_id, "")
        return {"is_open": known.is_open, "answering": answering_json(video_id)}


def set_state(video_id: UUID, question_id: int, actor: Viewer, state: str) -> dict[str, Any]:
    """Answer a question, have it answered, or put it back into the list; return it. The same again changes nothing.

    One is answered at a time: another one that was is answered then.
    Raises NotFound, Forbidden, Conflict (`video_ended`, `too_many_questions`).
    """
    with (held_open if state == "answering" else held)(video_id, actor, questions_topic(video_id)) as board:
        question, before = _shown(video_id, question_id), _answering(video_id)
        former = question.state
        if former == state:
            return question_json(question)
        now = timezone.now()
        if former == "answered" and _listed(video_id).count() >= LISTED_MAX:
            raise Conflict(f"{LISTED_MAX} questions wait already.", code="too_many_questions")
        changed = [question]
        if state == "answering" and before is not None:
            before.answered_at = now
            before.save(update_fields=["answered_at"])
            changed.insert(0, before)
        if state != "answered":
            question.answering_at = now if state == "answering" else None
        question.answered_at = now if state == "answered" else None
        question.save(update_fields=["answering_at", "answered_at"])
        _publish(board.heads, video_id, changed)
        if "answering" in (state, former):
            _publish_board(board.head, video_id)
        return question_json(question)


def delete(video_id: UUID, question_id: int, actor: Viewer) -> None:
    """Take a question away: one's own, or as somebody who may delete comments. Raises NotFound, Forbidden."""
    video = visible_video(video_id, actor)
    with transaction.atomic():
        heads = audit.lock(video.owner_id, board_topic(video_id), questions_topic(video_id))
        question, entry = _shown(video_id, question_id), None
        if question.author_id != actor.id:
            require("delete", video.owner_id, actor)
            board = HeldBoard(video, actor, heads)
            entry = board.write_down(
                "delete_question", about_question(question.id), question.body, viewer=question.author
            )
        take_away(heads, [question], deletion=entry.id if entry else None)
        complaints.settle(heads, video.owner_id, [about_question(question.id)], entry)


def restore(video_id: UUID, question_id: int, actor: Viewer) -> None:
    """Take back the act of a moderator that has deleted a question. Raises NotFound, Forbidden, Conflict."""
    found = Question.objects.select_related("video").filter(id=question_id, video=video_id).first()
    if found is None or found.deletion is None:
        raise NotFound("There is no such question.")
    undo(found.video.owner_id, found.deletion, actor)


@transaction.atomic
def report(video_id: UUID, question_id: int, reporter: Viewer, *, reason: str, remark: str = "") -> None:
    """Report a question to the moderators of the channel. Raises NotFound, Forbidden, Conflict."""
    owner_id = visible_video(video_id, reporter).owner_id
    heads = audit.lock(owner_id)  # not of the list: nobody who asks waits for a complaint
    if visible_video(video_id, reporter).owner_id != owner_id:
        raise NotFound("There is no such video.")
    found = _shown(video_id, question_id)
    about = about_question(found.id)
    reported = Reported(Complaint.Kind.QUESTION, about, found.author, video_id, found.body)
    complaints.add(heads, owner_id, reporter, reported, reason=reason, remark=remark)


def take_away(heads: log.LockedHeads, questions: Sequence[Question], *, deletion: UUID | None = None) -> None:
    """Delete questions of one video, in the transaction that has locked its topics. `deletion`: the act that does."""
    video_id, was_answering = questions[0].video_id, any(question.state == "answering" for question in questions)
    now = timezone.now()
    for question in questions:
        question.deleted_at, question.deletion = now, deletion
    Question.objects.bulk_update(questions, ["deleted_at", "deletion"])
    _publish(heads, video_id, questions)
    if was_answering:
        _publish_board(heads[board_topic(video_id)], video_id)


def bring_back(heads: log.LockedHeads, questions: Sequence[Question]) -> None:
    """Show deleted questions of one video again, in the transaction that has locked its topics.

    What was being answered waits again: another one may be answered now.
    """
    for question in questions:
        question.deleted_at = question.deletion = None
        question.answering_at = question.answering_at if question.answered_at else None
    Question.objects.bulk_update(questions, ["deleted_at", "deletion", "answering_at"])
    _publish(heads, questions[0].video_id, questions)


class QuestionApproval(Approval):
    """A question that was held, and is listed now."""

    def topics(self, video_id: UUID) -> Collection[TopicName]:
        return [questions_topic(video_id)]

    def publish(self, heads: log.LockedHeads, video: Video, waiting: HeldComment) -> dict[str, Any]:
        """Also when no more is asked meanwhile. Raises Conflict (`video_ended`, `too_many_questions`)."""
        if video.status == Video.Status.ENDED:
            raise Conflict("This broadcast has ended.", code="video_ended")
        if _listed(video.id).count() >= LISTED_MAX:
            raise Conflict(f"{LISTED_MAX} questions wait already.", code="too_many_questions")
        made = Question.objects.create(
            video=video,
            author=waiting.author,
            body=waiting.body,
            client_id=free_client_id(Question.objects.all(), waiting),
            asked_at=timezone.now(),
        )
        _publish(heads, video.id, [made])
        return question_json(made)


def rename(heads: log.LockedHeads, asked: Sequence[Question], author: Viewer) -> None:
    """Say that questions are somebody else's now, in the transaction that has locked their topics."""
    for question in asked:
        question.author = author
        if question.deleted_at is None and question.answered_at is None:
            _publish(heads, question.video_id, [question])
            if question.answering_at is not None:
                _publish_board(heads[board_topic(question.video_id)], question.video_id)


def close_in(head: log.LockedHead, video_id: UUID) -> None:
    """Close the list at the end of the broadcast: nobody asks any more, and what was being answered is answered.

    `head`: of the list. The board says it by `questions_json` then.
    """
    QuestionList.objects.filter(video_id=video_id).update(is_open=False)
    if (question := _answering(video_id)) is not None:
        question.answered_at = timezone.now()
        question.save(update_fields=["answered_at"])
        _publish({head.topic: head}, video_id, [question])


def _publish(heads: log.LockedHeads, video_id: UUID, questions: Sequence[Question]) -> None:
    """Record what has become of questions: they changed in the list, or are gone from it."""
    head = heads[questions_topic(video_id)]
    changes: list[tuple[TopicName, str, Mapping[str, Any]]] = [
        (head.topic, "question", {"question": question_json(question)})
        if question.answered_at is None and question.deleted_at is None
        else (head.topic, "question_gone", {"question": {"id": question.id}})
        for question in questions
    ]
    log.record_many({head.topic: head}, changes)
    log.record_counters(head, listed_votes([video_id]).get(video_id, {}))


def _publish_board(head: log.LockedHead, video_id: UUID) -> None:
    log.record(head, "questions", {"questions": questions_json(video_id)})


def _listed(video_id: UUID) -> QuerySet[Question]:
    return Question.objects.filter(IS_LISTED, video_id=video_id)


def _answering(video_id: UUID) -> Question | None:
    return _listed(video_id).filter(answering_at__isnull=False).select_related("author").first()


def _shown(video_id: UUID, question_id: int) -> Question:
    """Raises NotFound."""
    found = Question.objects.select_related("author").filter(id=question_id, video_id=video_id, deleted_at=None).first()
    if found is None:
        raise NotFound("There is no such question.")
    return found


# What is read


def question_json(question: Question) -> dict[str, Any]:
    """The question without its votes, which move by themselves. Needs `question.author`."""
    return {
        "id": question.id,
        "body": question.body,
        "author": person(question.author),
        "asked_at_ms": to_ms(question.asked_at),
        "answering_at_ms": to_ms(question.answering_at),
        "answered_at_ms": to_ms(question.answered_at),
    }


def answering_json(video_id: UUID) -> dict[str, Any] | None:
    found = _answering(video_id)
    return None if found is None else question_json(found)


def questions_json(video_id: UUID) -> dict[str, Any] | None:
    """Return what the board says of questions; None: there never were any. Two queries at most."""
    found = QuestionList.objects.filter(video_id=video_id).first()
    return None if found is None else {"is_open": found.is_open, "answering": answering_json(video_id)}


def listed_json(video_id: UUID) -> list[dict[str, Any]]:
    """Return the questions that are listed, by their age. One query."""
    return [question_json(question) for question in _listed(video_id).select_related("author").order_by("id")]


def listed_votes(video_ids: Sequence[UUID], database: str = "default") -> dict[UUID, dict[str, int]]:
    """Return the votes of each question that is listed, by video. One query."""
    found: dict[UUID, dict[str, int]] = {}
    with connections[database].cursor() as cursor:
        cursor.execute(_VOTES, [list(video_ids)])
        for video_id, question_id, votes in cursor.fetchall():
            found.setdefault(video_id, {})[str(question_id)] = votes
    return found


def list_answered(video_id: UUID, viewer: Viewer | None) -> list[dict[str, Any]]:
    """Return the answered questions of a video with their votes, the newest first. Raises NotFound."""
    visible_video(video_id, viewer)
    found = Question.objects.filter(video_id=video_id, answered_at__isnull=False, deleted_at=None)
    newest = found.select_related("author").order_by("-answered_at", "-id")[:ANSWERED_MAX]
    return [{**question_json(question), "votes": question.votes} for question in newest]


def list_state(video: Video, viewer: Viewer | None) -> dict[str, Any]:
    """Return `{"snapshot", "mine"}` of a list: what is listed, and what of it the viewer has voted for."""
    votes = votes_json(listed_votes([video.id]).get(video.id, {}))
    mine: list[int] = []
    if viewer is not None:
        voted = QuestionVote.objects.filter(viewer=viewer, question__in=_listed(video.id))
        mine = sorted(voted.values_list("question_id", flat=True))
    return {"snapshot": {"questions": listed_json(video.id), "votes": votes}, "mine": mine}
