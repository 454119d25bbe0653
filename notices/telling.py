"""Finds out who hears of a comment: the person that it answers, and the people that it names.

Hop: beside the path, called by a periodic job.

What changes comments only notes which (`NotesChanges`), a row a comment, so nobody who comments waits for this. The job
looks at them as they are now: whatever was written, edited, deleted or brought back, the lines are those that follow
from it. It runs once at a time. A run that was killed changed nothing, and is repeated.

Bounded: the person that a comment answers hears of it, and the first `PLACES_MAX` people that it names. All that comes
from one video before the viewer looks is one line. It has one comment of each person, the newest `PEOPLE_MAX` of them.
If that comment goes, the newest one before it that still stands takes its place (of the last `EARLIER_MAX`). Each run
is one event for each person.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts.lookalikes import name_key
from accounts.taken import NAMESAKES_MAX
from messaging.models import Block
from notices.choices import PUSH, SITE, wanting
from notices.inbox import lock, record
from notices.models import Notice, NoticeComment
from notices.naming import folded, names_in, plain
from notices.reading import LINES_MAX, lines_of
from videos.listeners import CommentListener, Execute, may_concern
from web import statements
from web.ids import new_id

logger = logging.getLogger(__name__)

COMMENTS_MAX = 500  # of one transaction
RUNS_MAX = 20  # of one job
PEOPLE_MAX = 100  # of one line
EARLIER_MAX = 20  # comments of one person, of which one may take the place of one that has gone
KEPT_FOR = timedelta(days=90)
THERE_MAX = 500  # comments of a video, whose authors may be named without accents
LINES_FORGOTTEN_MAX = 500  # of one transaction

_NOTE = "INSERT INTO notices_changedcomment (comment_id) SELECT * FROM unnest(%s::uuid[])"
_NOTE_VIDEO = """
INSERT INTO notices_changedcomment (comment_id) SELECT DISTINCT nc.comment_id
FROM notices_noticecomment nc JOIN notices_notice n ON n.id = nc.notice_id WHERE n.video_id = %s
"""
_TAKE = """
DELETE FROM notices_changedcomment WHERE id IN
(SELECT id FROM notices_changedcomment ORDER BY id LIMIT %s) RETURNING comment_id
"""
_COMMENTS = """
SELECT c.id, c.author_id, c.body, c.created_at, c.video_id, v.owner_id, v.visibility, parent.author_id
FROM videos_comment c JOIN videos_video v ON v.id = c.video_id
LEFT JOIN videos_comment parent ON parent.id = c.reply_to_id
WHERE c.id = ANY(%s) AND c.deleted_at IS NULL
"""
_HEARD = """
SELECT nc.comment_id, n.viewer_id, n.kind FROM notices_noticecomment nc JOIN notices_notice n ON n.id = nc.notice_id
WHERE nc.comment_id = ANY(%s)
"""
# Accounts first: nobody else has their name. Of the guests who have one name the newest are looked at.
_NAMED = """
SELECT wanted.key, v.id, v.name, v.is_guest FROM unnest(%s::text[]) AS wanted (key) CROSS JOIN LATERAL (
    SELECT id, name, is_guest FROM accounts_viewer
    WHERE name_key = wanted.key AND is_active ORDER BY is_guest, id DESC LIMIT %s
) v
"""
_THERE = """
SELECT v.id, v.name FROM accounts_viewer v WHERE v.is_active AND v.id IN (
    SELECT author_id FROM videos_comment WHERE video_id = %s AND deleted_at IS NULL ORDER BY seq DESC LIMIT %s
) ORDER BY v.id
"""
_HAVE_WRITTEN = """
SELECT video_id, viewer_id FROM unnest(%s::uuid[], %s::uuid[]) AS pair (video_id, viewer_id)
WHERE EXISTS (SELECT FROM videos_comment c WHERE c.video_id = pair.video_id AND c.author_id = pair.viewer_id)
"""
_MAY_WATCH = "SELECT channel_id, viewer_id FROM moderation_role WHERE channel_id = ANY(%s) AND viewer_id = ANY(%s)"
_NEWS = """
SELECT comment_id, viewer_id FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::timestamptz[])
AS heard (comment_id, viewer_id, kind, video_id, author_id, at)
WHERE NOT EXISTS (
    SELECT FROM notices_notice n JOIN notices_noticecomment nc ON nc.notice_id = n.id
    WHERE (n.viewer_id, n.video_id, n.kind) = (heard.viewer_id, heard.video_id, heard.kind)
    AND nc.author_id = heard.author_id AND nc.at >= heard.at
)
"""
_LINES = """
INSERT INTO notices_notice (id, viewer_id, video_id, kind, at, is_due)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::boolean[])
ON CONFLICT (viewer_id, video_id, kind) WHERE seen_at IS NULL
DO UPDATE SET at = greatest(notices_notice.at, excluded.at)
RETURNING viewer_id, video_id, kind, id
"""
_ADD = """
INSERT INTO notices_noticecomment AS nc (notice_id, author_id, comment_id, at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[])
ON CONFLICT (notice_id, author_id) DO UPDATE SET comment_id = excluded.comment_id, at = excluded.at
WHERE nc.at <= excluded.at
"""
_KEEP_NEWEST_PEOPLE = """
DELETE FROM notices_noticecomment nc USING (
    SELECT notice_id, author_id, row_number() OVER (PARTITION BY notice_id ORDER BY at DESC) AS place
    FROM notices_noticecomment WHERE notice_id = ANY(%s)
) old WHERE (nc.notice_id, nc.author_id) = (old.notice_id, old.author_id) AND place > %s
"""
# Those that the line could have had: written since its viewer has looked at the one before.
_EARLIER = """
SELECT n.id, n.viewer_id, n.kind, nc.author_id, c.id
FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) AS not_heard (comment_id, viewer_id, kind)
JOIN notices_noticecomment nc ON nc.comment_id = not_heard.comment_id
JOIN notices_notice n ON (n.id, n.viewer_id, n.kind) = (nc.notice_id, not_heard.viewer_id, not_heard.kind)
CROSS JOIN LATERAL (
    SELECT c.id, c.created_at FROM videos_comment c
    WHERE c.video_id = n.video_id AND c.author_id = nc.author_id AND c.deleted_at IS NULL AND c.created_at <= nc.at
    AND c.id <> nc.comment_id AND c.created_at > coalesce((
        SELECT max(seen_at) FROM notices_notice former
        WHERE (former.viewer_id, former.video_id, former.kind) = (n.viewer_id, n.video_id, n.kind) AND former.at < n.at
    ), '-infinity')
    ORDER BY c.created_at DESC LIMIT %s
) c ORDER BY c.created_at DESC
"""
_PUT_IN_PLACE = """
WITH put AS (
    UPDATE notices_noticecomment nc SET comment_id = earlier.comment_id, at = earlier.at
    FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[])
    AS earlier (notice_id, author_id, comment_id, at)
    WHERE (nc.notice_id, nc.author_id) = (earlier.notice_id, earlier.author_id)
    RETURNING nc.notice_id, nc.author_id, nc.at
)
UPDATE notices_notice n SET at = greatest(
    (SELECT max(at) FROM put WHERE put.notice_id = n.id),
    (SELECT max(at) FROM notices_noticecomment nc WHERE nc.notice_id = n.id
     AND nc.author_id NOT IN (SELECT author_id FROM put WHERE put.notice_id = n.id))
) WHERE n.id IN (SELECT notice_id FROM put)
"""
_TAKE_OUT = """
WITH gone AS (
    DELETE FROM notices_noticecomment nc USING notices_notice n,
    unnest(%s::uuid[], %s::uuid[], %s::text[]) AS not_heard (comment_id, viewer_id, kind)
    WHERE n.id = nc.notice_id AND nc.comment_id = not_heard.comment_id
    AND n.viewer_id = not_heard.viewer_id AND n.kind = not_heard.kind
    RETURNING nc.notice_id, nc.author_id
)
DELETE FROM notices_notice n USING gone WHERE n.id = gone.notice_id AND NOT EXISTS (
    SELECT FROM notices_noticecomment nc WHERE nc.notice_id = n.id
    AND nc.author_id NOT IN (SELECT author_id FROM gone WHERE notice_id = n.id)
)
"""
_TAKE_DUE = """
UPDATE notices_notice SET is_due = FALSE WHERE id IN
(SELECT id FROM notices_notice WHERE is_due ORDER BY at LIMIT %s) RETURNING id, at >= %s
"""
_KEEP_NEWEST_LINES = """
WITH old AS (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY viewer_id ORDER BY at DESC, id DESC) AS place
        FROM notices_notice WHERE viewer_id = ANY(%s)
    ) lines WHERE place > %s
), comments AS (DELETE FROM notices_noticecomment WHERE notice_id IN (SELECT id FROM old))
DELETE FROM notices_notice WHERE id IN (SELECT id FROM old)
"""


class NotesChanges(CommentListener):
    """Notes which comments have changed, for the job."""

    def changed(self, execute: Execute, comment_ids: Sequence[UUID]) -> None:
        execute(_NOTE, [list(comment_ids)])

    def gone(self, video_id: UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_VIDEO, [video_id])


@dataclass(frozen=True, slots=True)
class _Said:
    """A comment, and whom it answers."""

    id: UUID
    author_id: UUID
    body: str
    at: datetime
    video_id: UUID
    owner_id: UUID
    visibility: str
    answered_id: UUID | None


@dataclass(frozen=True, slots=True)
class _Heard:
    """Somebody hears of a comment."""

    comment_id: UUID
    viewer_id: UUID
    kind: str


def tell() -> int:
    """Look at the comments that have changed; return how many."""
    done = 0
    for _run in range(RUNS_MAX):
        looked = _tell_some()
        done += looked
        if looked < COMMENTS_MAX:
            break
    return done


@transaction.atomic
def _tell_some() -> int:
    if not statements.rows("SELECT pg_try_advisory_xact_lock(hashtextextended('notices', 0))", [])[0][0]:
        return 0
    ids = [id for (id,) in statements.rows(_TAKE, [COMMENTS_MAX])]
    if ids:
        said = {row[0]: _Said(*row) for row in statements.rows(_COMMENTS, [ids])}
        wanted, heard = _hearers(said.values()), {_Heard(*row) for row in statements.rows(_HEARD, [ids])}
        if people := {each.viewer_id for each in wanted ^ heard}:
            heads = lock(people)
            _put_in_place(heard - wanted)
            _take_out(heard - wanted)
            _add(_news([(each, said[each.comment_id]) for each in wanted - heard]))
            statements.run(_KEEP_NEWEST_LINES, [list(people), LINES_MAX])
            record(heads, people)
    return len(ids)


# Who hears of what


def _hearers(said: Collection[_Said]) -> set[_Heard]:
    """Return who hears of these comments. Nobody hears of their own, nor twice of the same."""
    concerning = [each for each in said if may_concern(each.body, each.answered_id)]
    named = _named(concerning)
    found: dict[tuple[UUID, UUID], _Heard] = {}
    for each in concerning:
        for viewer_id in named.get(each.id, ()):
            found[each.id, viewer_id] = _Heard(each.id, viewer_id, Notice.Kind.MENTION)
        if each.answered_id is not None:
            found[each.id, each.answered_id] = _Heard(each.id, each.answered_id, Notice.Kind.ANSWER)
    by_id = {each.id: each for each in concerning}
    others = [each for each in found.values() if by_id[each.comment_id].author_id != each.viewer_id]
    return _wanted(_without_blocked(_with_access(others, by_id), by_id))


def _named(said: Iterable[_Said]) -> dict[UUID, set[UUID]]:
    """Return the viewers that each comment names. Two queries, and one for each video with a name that nobody has.

    At a public video every account can be named. Guests must have written there. At other videos everybody must have
    written there: a name is no invitation. Somebody who has written there lately is also found without accents.
    """
    places = {each: names_in(each.body) for each in said}
    keys = {name: name_key(name) for found in places.values() for names in found for name in names}
    bearers: dict[str, list[tuple[UUID, bool]]] = {}
    named = statements.rows(_NAMED, [sorted(set(keys.values())), NAMESAKES_MAX]) if keys else []
    for _key, id, name, is_guest in named:
        bearers.setdefault(folded(name), []).append((id, is_guest))
    pairs = {
        (each.video_id, id)
        for each, found in places.items()
        for names in found
        for name in names
        for id, _ in bearers.get(name, ())
    }
    columns = [list(column) for column in zip(*pairs, strict=True)]
    have_written = set(statements.rows(_HAVE_WRITTEN, columns)) if pairs else set()

    there: dict[UUID, dict[str, UUID]] = {}

    def first_of(each: _Said, names: Sequence[str]) -> UUID | None:
        for name in names:
            for id, is_guest in bearers.get(name, ()):
                if (each.video_id, id) in have_written or (each.visibility == "public" and not is_guest):
                    return id
        if names and each.video_id not in there:
            rows = statements.rows(_THERE, [each.video_id, THERE_MAX])
            there[each.video_id] = {plain(folded(name)): id for id, name in rows}
        known = (there[each.video_id].get(plain(name)) for name in names)
        return next((found for found in known if found is not None), None)

    return {
        each.id: {id for names in found if (id := first_of(each, names)) is not None} for each, found in places.items()
    }


def _with_access(heard: Iterable[_Heard], said: Mapping[UUID, _Said]) -> list[_Heard]:
    """Leave out those who may not see the video. One query at most."""
    heard = list(heard)
    private = {each for each in heard if said[each.comment_id].visibility == "private"}
    owners = [said[each.comment_id].owner_id for each in private]
    roles = set(statements.rows(_MAY_WATCH, [owners, [each.viewer_id for each in private]])) if private else set()
    roles |= {(owner_id, owner_id) for owner_id in owners}
    return [each for each in heard if each not in private or (said[each.comment_id].owner_id, each.viewer_id) in roles]


def _without_blocked(heard: Sequence[_Heard], said: Mapping[UUID, _Said]) -> list[_Heard]:
    authors = {said[each.comment_id].author_id for each in heard}
    blocks = Block.objects.filter(blocker__in={each.viewer_id for each in heard}, blocked__in=authors)
    pairs = set(blocks.values_list("blocker_id", "blocked_id")) if heard else set()
    return [each for each in heard if (each.viewer_id, said[each.comment_id].author_id) not in pairs]


def _wanted(heard: Sequence[_Heard]) -> set[_Heard]:
    """Leave out those who want to hear of it in no way."""
    found = set()
    for kind in Notice.Kind:
        ids = {each.viewer_id for each in heard if each.kind == kind}
        if ids:
            wanting_it = wanting(ids, kind, SITE) | wanting(ids, kind, PUSH)
            found |= {each for each in heard if each.kind == kind and each.viewer_id in wanting_it}
    return found


# Lines


def _news(heard: Sequence[tuple[_Heard, _Said]]) -> list[tuple[_Heard, _Said]]:
    """Leave out what is older than something that its hearer has heard from the same person at the video."""
    if not heard:
        return []
    rows = [
        (each.comment_id, each.viewer_id, each.kind, said.video_id, said.author_id, said.at) for each, said in heard
    ]
    news = set(statements.rows(_NEWS, _columns(rows)))
    return [(each, said) for each, said in heard if (each.comment_id, each.viewer_id) in news]


def _add(heard: Sequence[tuple[_Heard, _Said]]) -> None:
    """Put comments into the lines that their people have not seen yet, or into new ones."""
    is_due = {kind: wanting({each.viewer_id for each, _ in heard}, kind, PUSH) for kind in Notice.Kind}
    lines: dict[tuple[UUID, UUID, str], datetime] = {}
    newest: dict[tuple[UUID, UUID, str, UUID], _Said] = {}
    for each, said in sorted(heard, key=lambda pair: pair[1].at):
        line = (each.viewer_id, said.video_id, str(each.kind))
        lines[line] = said.at
        newest[*line, said.author_id] = said
    if not lines:
        return
    rows = [(new_id(), *line, at, line[0] in is_due[Notice.Kind(line[2])]) for line, at in lines.items()]
    ids = {(viewer, video, kind): id for viewer, video, kind, id in statements.rows(_LINES, _columns(rows))}
    comments = [(ids[line[:3]], said.author_id, said.id, said.at) for line, said in newest.items()]
    statements.run(_ADD, _columns(comments))
    statements.run(_KEEP_NEWEST_PEOPLE, [list(ids.values()), PEOPLE_MAX])


def _put_in_place(gone: Collection[_Heard]) -> None:
    """Put in the place of each comment the newest one before it, by the same person, that still says the same."""
    if not gone:
        return
    names = _columns([(each.comment_id, each.viewer_id, each.kind) for each in gone])
    rows = statements.rows(_EARLIER, [*names, EARLIER_MAX])
    said = {row[0]: _Said(*row) for row in statements.rows(_COMMENTS, [[row[4] for row in rows]])} if rows else {}
    heard = _hearers(said.values())
    found: dict[tuple[UUID, UUID], _Said] = {}
    for notice_id, viewer_id, kind, author_id, comment_id in rows:  # the newest first
        if _Heard(comment_id, viewer_id, kind) in heard:
            found.setdefault((notice_id, author_id), said[comment_id])
    if found:
        statements.run(_PUT_IN_PLACE, _columns([(*place, each.id, each.at) for place, each in found.items()]))


def _take_out(heard: Collection[_Heard]) -> None:
    """Take comments out of lines. Lines without any go."""
    if heard:
        statements.run(_TAKE_OUT, _columns([(each.comment_id, each.viewer_id, each.kind) for each in heard]))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


# What browsers have to show


def take_due(most: int, fresh: timedelta) -> list[tuple[UUID, dict[str, Any]]] | None:
    """Return lines that browsers have to show, and that are not older than that, each with whose it is.

    They are due no more. None: nothing is.
    """
    rows = statements.rows(_TAKE_DUE, [most, timezone.now() - fresh])
    return lines_of([id for id, is_fresh in rows if is_fresh]) if rows else None


# What is old


def forget() -> int:
    """Delete lines that are older than `KEPT_FOR`; return how many. In short transactions."""
    old = Notice.objects.filter(at__lt=timezone.now() - KEPT_FOR).order_by("at")
    forgotten = 0
    while rows := list(old.values_list("id", "viewer_id")[:LINES_FORGOTTEN_MAX]):
        people = {viewer_id for _, viewer_id in rows}
        with transaction.atomic():
            heads = lock(people)
            gone = old.filter(id__in=[id for id, _ in rows])
            NoticeComment.objects.filter(notice__in=gone.values("id").order_by()).delete()
            forgotten += gone.delete()[0]
            record(heads, people)
    return forgotten
