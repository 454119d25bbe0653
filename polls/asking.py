"""Questions that viewers ask, and their votes for them: written, committed, and only then published.

Hop: called by the API and WebSocket commands; writes questions, votes and the counter of the list's topic;
realtime.dispatch.publisher hears of it after the commit. All of a process go through one group commit, as likes do
(videos.likes): it locks the lists first, so a question and the end of asking come one after the other. A question must
pass what a comment must pass (videos.screened).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from accounts.models import Viewer
from accounts.representation import person
from accounts.tokens import Claim, acting
from moderation.restrictions import RESTRICTIONS_OF, by_viewer, check
from moderation.roles import ROLES_OF
from polls.models import ASKED_MAX
from polls.questions import LISTED_MAX, questions_topic
from polls.text import checked_line
from realtime.events import Counters, Durable, Event, now_ms
from realtime.limits import Limited
from realtime.log import writer as log
from realtime.log.group_commit import Applied, GroupCommit
from realtime.log.threads import backend_threads
from screening import hook
from screening.rules import ALLOWED, Verdict
from videos import held, screened
from videos.actors import ACTORS, Actor, is_moderator_in, may_watch, roles_by
from videos.changes import HeldBack, Shadowed
from videos.models import Video
from videos.screened import Screen
from web.moments import to_ms
from web.refusals import Conflict, Forbidden, NotFound, Refused

EACH_MAX = 3
"""How many questions of one viewer wait at a video."""


@dataclass(frozen=True, slots=True)
class Ask:
    video_id: UUID
    who: Viewer | Claim
    body: str
    client_id: str | None = None
    verdict: Verdict = ALLOWED
    """Of the site's own program (screening.hook)."""
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class SetVote:
    """Vote for a question, or take the vote back."""

    video_id: UUID
    who: Viewer | Claim
    question_id: int
    is_for: bool
    at_ms: int = field(default_factory=now_ms)


AskOrVote = Ask | SetVote


async def ask(video_id: UUID, who: Viewer | Claim, body: str, *, client_id: str | None = None) -> dict[str, Any]:
    """Ask the broadcaster; return the question as viewers see it, or `{"held"}` if it waits for a moderator.

    The same `client_id` again answers the same. Raises SignedOut, NotFound, Invalid, StoreUnavailable, Limited (slow
    mode), Forbidden (the channel's rules; `name_taken`), Conflict (`questions_off`, `too_many_questions`,
    `client_id_taken`, `queue_full`).
    """
    body = checked_line(body, ASKED_MAX, "question")
    verdict = await hook.ask(body, author_id=who.id, video_id=video_id)
    written = held.Written(video_id, who.id, body, None, client_id, held.HeldKind.QUESTION)
    try:
        return await group_commit.submit(Ask(video_id, who, body, client_id, verdict))
    except HeldBack as reason:
        return await held.hold(written, str(reason))
    except Shadowed as shadowed:
        with contextlib.suppress(Conflict):  # The queue is full: who does not know of the shadow must not learn of it.
            await backend_threads.run(held.keep, written, held.SHADOW)
        return shadowed.shown


async def vote(video_id: UUID, who: Viewer | Claim, question_id: int, *, is_for: bool) -> dict[str, Any]:
    """Vote for a question that waits, or take that back; return `{"votes", "mine"}` as committed. Repeating changes
    nothing.

    Raises SignedOut, NotFound (also when it is answered), Forbidden (`banned`, `timed_out`), Conflict (`video_ended`),
    StoreUnavailable.
    """
    return await group_commit.submit(SetVote(video_id, who, question_id, is_for))


def _apply(connection: psycopg.Connection[Any], commands: Sequence[AskOrVote]) -> Applied[dict[str, Any]]:
    """Apply questions and votes in order, in the open transaction: one round trip to read, whatever their number."""
    batch = _Batch(connection, commands)
    outcomes: list[dict[str, Any] | Exception] = []
    for command in commands:
        try:
            outcomes.append(batch.ask(command) if isinstance(command, Ask) else batch.vote(command))
        except (Refused, Limited, HeldBack, Shadowed) as refusal:
            outcomes.append(refusal)
    return Applied(outcomes, batch.write())


_VIDEOS = (
    "SELECT v.id, v.owner_id, v.status, v.visibility, coalesce(q.is_open, false) AS is_open"
    " FROM videos_video v LEFT JOIN polls_questionlist q ON q.video_id = v.id WHERE v.id = ANY(%s)"
)
_LISTED = (
    "SELECT id, video_id, author_id, votes FROM polls_question"
    " WHERE video_id = ANY(%s) AND answered_at IS NULL AND deleted_at IS NULL"
)
_CAST = (
    "SELECT question_id, viewer_id FROM polls_questionvote"
    " JOIN unnest(%s::bigint[], %s::uuid[]) AS asked (question_id, viewer_id) USING (question_id, viewer_id)"
)
_FORMER = (
    "SELECT q.* FROM polls_question q JOIN (SELECT DISTINCT * FROM unnest(%s::uuid[], %s::uuid[])) AS asked"
    " (video_id, author_id) USING (video_id, author_id) ORDER BY q.id"
)
"""All that the authors of a batch have asked there: for repeats, and for slow mode."""
_IDS = "SELECT nextval(pg_get_serial_sequence('polls_question', 'id')) AS id FROM generate_series(1, %s)"


class _Batch:
    """The rows that a batch touches, read under the lists' locks, changed in memory, written once."""

    def __init__(self, connection: psycopg.Connection[Any], commands: Sequence[AskOrVote]) -> None:
        self._connection = connection
        self._read(commands)
        self._asked: list[tuple[Any, ...]] = []
        self._new_votes: dict[tuple[int, UUID], bool] = {}
        self._steps: dict[int, int] = {}
        self._first_at_ms: dict[UUID, int] = {}
        self._events: list[Event] = []

    def _read(self, commands: Sequence[AskOrVote]) -> None:
        asks = [command for command in commands if isinstance(command, Ask)]
        votes = [command for command in commands if isinstance(command, SetVote)]
        videos = list({command.video_id for command in commands})
        people = list({command.who.id for command in commands})
        pairs = [[command.video_id for command in asks], [command.who.id for command in asks]]
        cast = [[command.question_id for command in votes], [command.who.id for command in votes]]
        questions: list[tuple[str, list[Any]]] = [
            (ACTORS, [people]),
            (ROLES_OF, [people]),
            (RESTRICTIONS_OF, [people]),
            (_VIDEOS, [videos]),
            (_LISTED, [videos]),
            (_CAST, cast),
            (_FORMER, pairs),
            (screened.QUESTION, pairs),
            (_IDS, [len(asks)]),
        ]
        heads = self._connection.execute(log.LOCK, [[questions_topic(id) for id in videos]])
        cursors = [self._connection.cursor(row_factory=dict_row).execute(query, values) for query, values in questions]
        self._heads = log.locked(heads.fetchall())
        actors, roles, restrictions, found, listed, votes_cast, former, rules, ids = (
            cursor.fetchall() for cursor in cursors
        )
        self._actors = {row["id"]: Actor(**row) for row in actors}
        self._roles = roles_by(roles)
        self._restrictions = by_viewer(restrictions)
        self._videos = {row["id"]: row for row in found}
        self._listed: dict[UUID, dict[int, int]] = {id: {} for id in videos}
        self._by_author: dict[tuple[UUID, UUID], int] = {}
        for row in listed:
            self._list(row["video_id"], row["author_id"], row["id"], row["votes"])
        self._votes = {(row["question_id"], row["viewer_id"]) for row in votes_cast}
        self._known = {(row["video_id"], row["author_id"], row["client_id"]): row for row in former}
        self._ids = [int(row["id"]) for row in ids]
        # Slow mode and repeats: a question comes after comments and questions, whichever was the last.
        last = {(row["video_id"], row["author_id"]): row for row in former}
        for row in rules:
            asked = last.get((row["video_id"], row["author_id"]))
            if asked is not None and (row["last_at"] is None or row["last_at"] < asked["asked_at"]):
                row |= {"last_at": asked["asked_at"], "last_body": asked["body"]}
        self._screen = Screen(self._connection, rules)

    def _list(self, video_id: UUID, author_id: UUID, question_id: int, votes: int) -> None:
        self._listed[video_id][question_id] = votes
        self._by_author[video_id, author_id] = self._by_author.get((video_id, author_id), 0) + 1

    def _open_video(self, command: AskOrVote) -> tuple[Actor, dict[str, Any]]:
        """Return who acts, and the row of a video where they may. Raises SignedOut, NotFound, Conflict."""
        actor = acting(command.who, self._actors.get(command.who.id), attrgetter("password"))
        video = self._videos.get(command.video_id)
        if video is None or not may_watch(video, actor.id, self._roles, sees_all=actor.sees_all):
            raise NotFound("There is no such video.")
        if questions_topic(command.video_id) not in self._heads:
            raise Conflict("Nobody asks questions here now.", code="questions_off")
        if video["status"] == Video.Status.ENDED:
            raise Conflict("This broadcast has ended.", code="video_ended")
        return actor, video

    def ask(self, command: Ask) -> dict[str, Any]:
        actor, video = self._open_video(command)
        key = (command.video_id, actor.id, command.client_id)
        if command.client_id is not None and (known := self._known.get(key)) is not None:
            if known["body"] != command.body:
                raise Conflict("This client_id belongs to another question.", code="client_id_taken")
            return _json(known, actor)
        is_seen = check(video["owner_id"], self._restrictions.get(actor.id, ()))
        if not video["is_open"]:
            raise Conflict("Nobody asks questions here now.", code="questions_off")
        self._has_room(command, actor)
        self._screened(command, actor, video)
        asked_at = datetime.fromtimestamp(command.at_ms / 1000, UTC)
        row: dict[str, Any] = {"id": self._ids.pop(0), "body": command.body, "asked_at": asked_at}
        if not is_seen:
            raise Shadowed(_json(row, actor))
        self._known[key] = row
        self._list(command.video_id, actor.id, row["id"], 0)
        self._asked.append((row["id"], command.video_id, actor.id, command.body, command.client_id, asked_at))
        head, data = self._heads[questions_topic(command.video_id)], _json(row, actor)
        self._events.append(
            Durable.of(head.topic, seq=head.next_seq(), name="question", at_ms=command.at_ms, data={"question": data})
        )
        self._first_at_ms.setdefault(command.video_id, command.at_ms)
        return data

    def _has_room(self, command: Ask, actor: Actor) -> None:
        """Raises Conflict."""
        if self._by_author.get((command.video_id, actor.id), 0) >= EACH_MAX:
            raise Conflict(
                "Some questions of yours wait already. Let them be answered first.", code="too_many_questions"
            )
        if len(self._listed[command.video_id]) >= LISTED_MAX:
            raise Conflict("Many questions wait already. Vote for one of them.", code="too_many_questions")

    def _screened(self, command: Ask, actor: Actor, video: Mapping[str, Any]) -> None:
        """Raise what the rules say. They bind no broadcaster and no moderator."""
        if actor.id == video["owner_id"] or is_moderator_in(actor, video, self._roles):
            return
        if self._screen.is_name_taken(command.video_id, actor.id):
            raise Forbidden("Somebody has your name here. Log out and take another one.", code="name_taken")
        at = datetime.fromtimestamp(command.at_ms / 1000, UTC)
        text = screened.Text(command.video_id, actor.id, command.body, at)
        self._screen.check(text, site=command.verdict)

    def vote(self, command: SetVote) -> dict[str, Any]:
        actor, video = self._open_video(command)
        listed, key = self._listed[command.video_id], (command.question_id, actor.id)
        if command.question_id not in listed:
            raise NotFound("This question does not wait any more.")
        if command.is_for:
            check(video["owner_id"], self._restrictions.get(actor.id, ()))  # under a shadow a vote counts as any
        if command.is_for != (key in self._votes):
            step = 1 if command.is_for else -1
            listed[command.question_id] += step
            self._steps[command.question_id] = self._steps.get(command.question_id, 0) + step
            # Of a vote that comes and goes within one batch nothing is written.
            if self._new_votes.pop(key, None) is None:
                self._new_votes[key] = command.is_for
            self._votes ^= {key}
            self._first_at_ms.setdefault(command.video_id, command.at_ms)
        return {"votes": listed[command.question_id], "mine": command.is_for}

    def write(self) -> list[Event]:
        """Write what has changed, in one round trip; return the events to publish after the commit."""
        if not self._first_at_ms:
            return []
        execute = self._connection.execute
        if self._asked:
            execute(
                "INSERT INTO polls_question (id, video_id, author_id, body, client_id, asked_at) SELECT * FROM"
                " unnest(%s::bigint[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[])",
                [list(column) for column in zip(*self._asked, strict=True)],
            )
        for is_for, query in ((True, _VOTE), (False, _TAKE_BACK)):
            if pairs := [key for key, new in self._new_votes.items() if new is is_for]:
                execute(query, [list(column) for column in zip(*pairs, strict=True)])
        if self._steps:
            execute(_COUNT, [list(self._steps), list(self._steps.values())])
        for video_id, at_ms in self._first_at_ms.items():
            head = self._heads[questions_topic(video_id)]
            kinds = {str(id): votes for id, votes in self._listed[video_id].items()}
            self._events.append(Counters(head.topic, head.next_version(), kinds, (), at_ms))
        log.write(execute, self._heads, self._events)
        return self._events


_VOTE = "INSERT INTO polls_questionvote (question_id, viewer_id) SELECT * FROM unnest(%s::bigint[], %s::uuid[])"
_TAKE_BACK = (
    "DELETE FROM polls_questionvote v USING unnest(%s::bigint[], %s::uuid[]) AS gone (question, viewer)"
    " WHERE v.question_id = gone.question AND v.viewer_id = gone.viewer"
)
_COUNT = (
    "UPDATE polls_question SET votes = votes + step FROM unnest(%s::bigint[], %s::bigint[]) AS counted (question, step)"
    " WHERE id = question"
)


def _json(row: Mapping[str, Any], author: Actor) -> dict[str, Any]:
    """The question of a row, as polls.questions has it."""
    return {
        "id": row["id"],
        "body": row["body"],
        "author": person(author),
        "asked_at_ms": to_ms(row["asked_at"]),
        "answering_at_ms": to_ms(row.get("answering_at")),
        "answered_at_ms": to_ms(row.get("answered_at")),
    }


group_commit: GroupCommit[AskOrVote, dict[str, Any]] = GroupCommit(
    _apply, publish=log.publish, parameters=log.connection_parameters
)
