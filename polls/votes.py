"""Votes: written, committed, and only then published.

Hop: called by the API and WebSocket commands; writes votes, the options' numbers and the counter of the board's topic;
realtime.dispatch.publisher hears of it after the commit. All of a process go through one group commit, as likes do
(videos.likes): it locks the boards first, so a vote and the end of its poll come one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from accounts import permissions
from accounts.models import Viewer
from accounts.tokens import Claim, acting
from moderation.restrictions import RESTRICTIONS_OF, by_viewer, check
from moderation.roles import ROLES_OF
from polls.board import board_topic
from polls.polls import votes_json
from realtime.events import Counters, Event, now_ms
from realtime.log import writer as log
from realtime.log.group_commit import Applied, GroupCommit
from videos import rights
from videos.actors import may_watch, roles_by
from videos.models import Video
from web.moments import to_ms
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused


@dataclass(frozen=True, slots=True)
class CastVote:
    video_id: UUID
    poll_id: UUID
    option_id: int
    who: Viewer | Claim
    at_ms: int = field(default_factory=now_ms)


async def vote(video_id: UUID, poll_id: UUID, option_id: int, who: Viewer | Claim) -> dict[str, Any]:
    """Vote; return `{"total", "kinds", "mine"}` as committed. The same vote again changes nothing.

    Raises SignedOut, NotFound, Forbidden (`accounts_only`, `banned`, `timed_out`), Invalid, StoreUnavailable, and
    Conflict (`voted`, `poll_over`).
    """
    return await group_commit.submit(CastVote(video_id, poll_id, option_id, who))


def _apply(connection: psycopg.Connection[Any], commands: Sequence[CastVote]) -> Applied[dict[str, Any]]:
    """Apply votes in order, in the open transaction: one round trip to read, whatever their number."""
    batch = _Batch(connection, commands)
    outcomes: list[dict[str, Any] | Exception] = []
    for command in commands:
        try:
            outcomes.append(batch.cast(command))
        except Refused as refusal:
            outcomes.append(refusal)
    return Applied(outcomes, batch.write())


_VOTERS = (
    f"SELECT id, password, is_guest, {permissions.held_sql(*rights.SEE)} AS sees_all"
    " FROM accounts_viewer v WHERE id = ANY(%s) AND is_active"
)
_POLLS = (
    "SELECT p.id, p.video_id, p.is_for_accounts, p.ends_at, v.owner_id, v.status, v.visibility, NOT EXISTS ("
    " SELECT FROM polls_poll n WHERE n.video_id = p.video_id AND n.withdrawn_at IS NULL"
    " AND (n.opened_at, n.id) > (p.opened_at, p.id)) AS is_newest"
    " FROM polls_poll p JOIN videos_video v ON v.id = p.video_id"
    " WHERE p.id = ANY(%s) AND p.withdrawn_at IS NULL"
)
_OPTIONS = "SELECT id, poll_id, votes FROM polls_polloption WHERE poll_id = ANY(%s) ORDER BY id"
_CAST = (
    "SELECT poll_id, viewer_id, option_id FROM polls_vote"
    " JOIN unnest(%s::uuid[], %s::uuid[]) AS asked (poll_id, viewer_id) USING (poll_id, viewer_id)"
)


class _Batch:
    """The rows that a batch of votes touches, read under the boards' locks, changed in memory, written once."""

    def __init__(self, connection: psycopg.Connection[Any], commands: Sequence[CastVote]) -> None:
        self._connection = connection
        self._read(commands)
        self._new: list[tuple[UUID, UUID, int]] = []
        self._steps: dict[int, int] = {}
        self._first_at_ms: dict[UUID, int] = {}

    def _read(self, commands: Sequence[CastVote]) -> None:
        polls = list({command.poll_id for command in commands})
        pairs = {(command.poll_id, command.who.id) for command in commands}
        people = list({viewer_id for _, viewer_id in pairs})
        asked = [
            (_VOTERS, [people]),
            (ROLES_OF, [people]),
            (RESTRICTIONS_OF, [people]),
            (_POLLS, [polls]),
            (_OPTIONS, [polls]),
            (_CAST, [list(column) for column in zip(*pairs, strict=True)]),
        ]
        topics = list({board_topic(command.video_id) for command in commands})
        heads = self._connection.execute(log.LOCK, [topics])
        cursors = [self._connection.cursor(row_factory=dict_row).execute(query, values) for query, values in asked]
        self._heads = log.locked(heads.fetchall())
        voters, roles, restrictions, found, options, votes = (cursor.fetchall() for cursor in cursors)
        self._voters = {row["id"]: row for row in voters}
        self._roles = roles_by(roles)
        self._restrictions = by_viewer(restrictions)
        self._polls = {row["id"]: row for row in found}
        self._counts: dict[UUID, dict[int, int]] = {}
        for row in options:
            self._counts.setdefault(row["poll_id"], {})[row["id"]] = row["votes"]
        self._votes = {(row["poll_id"], row["viewer_id"]): row["option_id"] for row in votes}

    def cast(self, command: CastVote) -> dict[str, Any]:
        poll = self._open_to(command, self._voter(command))
        counts, key = self._counts[poll["id"]], (poll["id"], command.who.id)
        if (known := self._votes.get(key)) is not None:
            if known != command.option_id:
                raise Conflict("You have voted already. A vote is for good.", code="voted")
            return self._answer(command)
        check(poll["owner_id"], self._restrictions.get(command.who.id, ()))  # under a shadow a vote counts as any
        ends_at_ms = to_ms(poll["ends_at"])
        is_over = ends_at_ms is not None and command.at_ms >= ends_at_ms
        if is_over or poll["status"] == Video.Status.ENDED or not poll["is_newest"]:
            raise Conflict("This poll is over.", code="poll_over")
        if command.option_id not in counts:
            raise Invalid("option is the id of one of the poll's options.")
        counts[command.option_id] += 1
        self._votes[key] = command.option_id
        self._new.append((*key, command.option_id))
        self._steps[command.option_id] = self._steps.get(command.option_id, 0) + 1
        self._first_at_ms.setdefault(poll["id"], command.at_ms)
        return self._answer(command)

    def _voter(self, command: CastVote) -> dict[str, Any]:
        """Return who votes, as the database has them now. Raises SignedOut."""
        return acting(command.who, self._voters.get(command.who.id), itemgetter("password"))

    def _open_to(self, command: CastVote, voter: dict[str, Any]) -> dict[str, Any]:
        """Return the row of a poll that this viewer may vote in. Raises NotFound, Forbidden."""
        poll = self._polls.get(command.poll_id)
        if poll is None or poll["video_id"] != command.video_id or board_topic(command.video_id) not in self._heads:
            raise NotFound("There is no such poll.")
        if not may_watch(poll, voter["id"], self._roles, sees_all=voter["sees_all"]):
            raise NotFound("There is no such poll.")
        if poll["is_for_accounts"] and voter["is_guest"]:
            raise Forbidden("Only accounts vote in this poll. Sign in first.", code="accounts_only")
        return poll

    def _answer(self, command: CastVote) -> dict[str, Any]:
        return {**votes_json(self._kinds(command.poll_id)), "mine": command.option_id}

    def _kinds(self, poll_id: UUID) -> dict[str, int]:
        return {str(option_id): votes for option_id, votes in self._counts[poll_id].items()}

    def write(self) -> list[Event]:
        """Write what has changed, in one round trip; return the events to publish after the commit."""
        if not self._new:
            return []
        execute = self._connection.execute
        execute(
            "INSERT INTO polls_vote (poll_id, viewer_id, option_id)"
            " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[])",
            [list(column) for column in zip(*self._new, strict=True)],
        )
        execute(
            "UPDATE polls_polloption SET votes = votes + step"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS counted (option, step) WHERE id = option",
            [list(self._steps), list(self._steps.values())],
        )
        events = [self._counters(poll_id, at_ms) for poll_id, at_ms in self._first_at_ms.items()]
        log.write(execute, self._heads, events)
        return [*events]

    def _counters(self, poll_id: UUID, at_ms: int) -> Counters:
        """Return the votes of the poll, which is the one that the board shows."""
        head = self._heads[board_topic(self._polls[poll_id]["video_id"])]
        return Counters(head.topic, head.next_version(), self._kinds(poll_id), (), at_ms)


group_commit: GroupCommit[CastVote, dict[str, Any]] = GroupCommit(
    _apply, publish=log.publish, parameters=log.connection_parameters
)
