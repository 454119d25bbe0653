"""What broadcasters and moderators do with polls: open, close, withdraw. Written, committed, and only then published.

Hop: called by the API and the admin; realtime.log.writer records it for those who watch. The votes come by
polls.votes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Prefetch
from django.utils import timezone

from accounts.models import Viewer
from polls.board import HeldBoard, held, held_open
from polls.models import OPTION_MAX, OPTIONS_MAX, OPTIONS_MIN, QUESTION_MAX, Poll, PollOption, Vote
from polls.text import checked_line
from realtime.log import writer as log
from screening.folding import looks
from videos.topics import visible_video
from web.moments import to_ms
from web.refusals import Conflict, Invalid, NotFound

POLLS_MAX = 100
"""How many polls a video may have."""

_NEWEST_VOTES = """
SELECT asked.id, o.id, o.votes FROM unnest(%s::uuid[]) AS asked (id) JOIN LATERAL (
  SELECT id FROM polls_poll p WHERE p.video_id = asked.id AND p.withdrawn_at IS NULL
  ORDER BY p.opened_at DESC, p.id DESC LIMIT 1
) newest ON true JOIN polls_polloption o ON o.poll_id = newest.id
"""


def open_poll(
    video_id: UUID,
    actor: Viewer,
    question: str,
    options: Sequence[str],
    *,
    seconds: int | None = None,
    is_for_accounts: bool = False,
) -> dict[str, Any]:
    """Ask the viewers, for so many seconds or until somebody closes it; return the poll. One is open at a time.

    Raises NotFound, Forbidden, Invalid, Conflict (`poll_open`, `same_options`, `too_many_polls`,
    `video_ended`).
    """
    question = checked_line(question, QUESTION_MAX, "question")
    texts = _checked_options(options)
    with held_open(video_id, actor) as board:
        polls = Poll.objects.filter(video_id=video_id)
        if (newest := newest_poll(video_id)) is not None and newest.is_open:
            raise Conflict("A poll is open. Close it first.", code="poll_open")
        if polls.count() >= POLLS_MAX:
            raise Conflict(f"A video may have {POLLS_MAX} polls.", code="too_many_polls")
        now = timezone.now()
        poll = Poll.objects.create(
            video_id=video_id,
            opener=actor,
            question=question,
            is_for_accounts=is_for_accounts,
            opened_at=now,
            ends_at=None if seconds is None else now + timedelta(seconds=seconds),
        )
        PollOption.objects.bulk_create(
            PollOption(poll=poll, place=place, text=text) for place, text in enumerate(texts)
        )
        _publish(board.head, video_id)
        board.write_down("open_poll", poll.id, question)
        return poll_json(poll, list(poll.options.order_by("place")))


def close_poll(video_id: UUID, poll_id: UUID, actor: Viewer) -> dict[str, Any]:
    """Take no more votes; return the poll. Closing one that is over changes nothing. Raises NotFound, Forbidden."""
    with _held_poll(video_id, poll_id, actor) as (board, poll):
        if close_in(board.head, poll):
            board.write_down("close_poll", poll.id, poll.question)
        return poll_json(poll, list(poll.options.order_by("place")))


def withdraw_poll(video_id: UUID, poll_id: UUID, actor: Viewer) -> None:
    """Take a poll from the page, with its result. Raises NotFound, Forbidden."""
    with _held_poll(video_id, poll_id, actor) as (board, poll):
        poll.withdrawn_at = timezone.now()
        poll.ends_at = min(poll.ends_at or poll.withdrawn_at, poll.withdrawn_at)
        poll.save(update_fields=["withdrawn_at", "ends_at"])
        _publish(board.head, video_id)
        board.write_down("withdraw_poll", poll.id, poll.question)


def close_in(head: log.LockedHead, poll: Poll) -> bool:
    """Close a poll in the transaction that holds its board; return whether it was open."""
    if not poll.is_open:
        return False
    poll.ends_at = timezone.now()
    poll.save(update_fields=["ends_at"])
    log.record(head, "poll", {"poll": poll_json(poll, list(poll.options.order_by("place")))})
    return True


def newest_poll(video_id: UUID) -> Poll | None:
    return Poll.objects.filter(video_id=video_id, withdrawn_at=None).order_by("-opened_at", "-id").first()


@contextlib.contextmanager
def _held_poll(video_id: UUID, poll_id: UUID, actor: Viewer) -> Iterator[tuple[HeldBoard, Poll]]:
    """Hold the board of a poll that is shown, in a transaction. Raises NotFound, Forbidden."""
    with held(video_id, actor) as board:
        poll = Poll.objects.filter(id=poll_id, video_id=video_id, withdrawn_at=None).first()
        if poll is None:
            raise NotFound("There is no such poll.")
        yield board, poll


def _publish(head: log.LockedHead, video_id: UUID) -> None:
    """Record which poll is the newest now, with its votes."""
    log.record(head, "poll", {"poll": newest_json(video_id)})
    log.record_counters(head, newest_votes([video_id]).get(video_id, {}))


def _checked_options(options: Sequence[str]) -> list[str]:
    texts = [checked_line(text, OPTION_MAX, "option") for text in options]
    if not OPTIONS_MIN <= len(texts) <= OPTIONS_MAX:
        raise Invalid(f"A poll has {OPTIONS_MIN} to {OPTIONS_MAX} options.")
    if len({looks(text) for text in texts}) < len(texts):
        raise Conflict("Two options are the same.", code="same_options")
    return texts


# What is read


def poll_json(poll: Poll, options: Sequence[PollOption]) -> dict[str, Any]:
    """The poll without its votes, which move by themselves."""
    return {
        "id": str(poll.id),
        "question": poll.question,
        "options": [{"id": option.id, "text": option.text} for option in options],
        "is_for_accounts": poll.is_for_accounts,
        "opened_at_ms": to_ms(poll.opened_at),
        "ends_at_ms": to_ms(poll.ends_at),
    }


def newest_json(video_id: UUID) -> dict[str, Any] | None:
    """Return the newest poll of a video that is not withdrawn. Two queries."""
    poll = newest_poll(video_id)
    return None if poll is None else poll_json(poll, list(poll.options.order_by("place")))


def newest_votes(video_ids: Sequence[UUID], database: str = "default") -> dict[UUID, dict[str, int]]:
    """Return the votes for each option of the newest poll of each video. One query."""
    found: dict[UUID, dict[str, int]] = {}
    with connections[database].cursor() as cursor:
        cursor.execute(_NEWEST_VOTES, [list(video_ids)])
        for video_id, option_id, votes in cursor.fetchall():
            found.setdefault(video_id, {})[str(option_id)] = votes
    return found


def list_polls(video_id: UUID, viewer: Viewer | None) -> list[dict[str, Any]]:
    """Return the polls of a video with their votes and the viewer's own, the newest first. Four queries at most.

    Raises NotFound.
    """
    visible_video(video_id, viewer)
    polls = list(
        Poll.objects.filter(video_id=video_id, withdrawn_at=None)
        .order_by("-opened_at", "-id")
        .prefetch_related(Prefetch("options", PollOption.objects.order_by("place")))
    )
    mine = votes_of(viewer, polls)
    return [with_votes(poll, mine.get(poll.id)) for poll in polls]


def with_votes(poll: Poll, mine: int | None) -> dict[str, Any]:
    """Return the poll with its votes and the option that the viewer has voted for."""
    options = list(poll.options.all())
    votes = {str(option.id): option.votes for option in options}
    return {**poll_json(poll, options), "votes": votes_json(votes), "mine": mine}


def votes_of(viewer: Viewer | None, polls: Sequence[Poll]) -> dict[UUID, int]:
    """Return the option that the viewer has voted for, by poll. One query, none for nobody in particular."""
    if viewer is None:
        return {}
    return dict(Vote.objects.filter(viewer=viewer, poll__in=polls).values_list("poll_id", "option_id"))


def votes_json(votes: Mapping[str, int]) -> dict[str, Any]:
    return {"total": sum(votes.values()), "kinds": dict(votes)}
