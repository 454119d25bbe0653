"""Deletes from the event log: topics with everything that belongs to them, and events that nobody needs any more.

Called by apps that delete what a topic is about, and by the periodic job (realtime.tasks). In slices, each a short
transaction: the log of a large room is more than one statement may take.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from realtime.events import TopicName
from realtime.models import Topic

ROWS_MAX = 5_000  # rows of one statement, far from the statement timeout
SLICE_ROWS = 20_000  # rows of a statement that mostly reads
KEPT_FOR = timedelta(hours=24)
KEPT_EVENTS = 10_000  # the newest events of a topic
KEPT_INBOX_EVENTS = 100  # each viewer has an inbox, and a node reads from it only a gap of some seconds

_EVENTS = """
DELETE FROM realtime_loggedevent WHERE (topic_id, seq) IN
(SELECT topic_id, seq FROM realtime_loggedevent WHERE topic_id = ANY(%s) LIMIT %s)
"""
_VIEWERS = """
DELETE FROM realtime_seenviewer WHERE (topic_id, key) IN
(SELECT topic_id, key FROM realtime_seenviewer WHERE topic_id = ANY(%s) LIMIT %s)
"""
# One slice of the log, oldest first. Events that are not among the newest of their topic are deleted. Returns their
# number, and the last place of the slice: all events of a transaction have one `at`.
_RETIRE = """
WITH slice AS (
  SELECT at, topic_id, seq FROM realtime_loggedevent
  WHERE at < %s AND at >= %s AND (at, topic_id, seq) > (%s, %s, %s) ORDER BY at, topic_id, seq LIMIT %s
), gone AS (
  DELETE FROM realtime_loggedevent e USING slice s JOIN realtime_topic t ON t.name = s.topic_id
  WHERE e.topic_id = s.topic_id AND e.seq = s.seq
  AND s.seq <= t.seq - CASE WHEN t.name LIKE ANY(%s) THEN %s ELSE %s END RETURNING 1
)
SELECT (SELECT count(*) FROM gone), at, topic_id, seq FROM slice ORDER BY at DESC, topic_id DESC, seq DESC LIMIT 1
"""


def empty_topics(topics: Iterable[TopicName]) -> None:
    """Delete what belongs to topics that get no new events: their log, and the viewers that they have had."""
    names = list(topics)
    with connection.cursor() as cursor:
        for statement in (_EVENTS, _VIEWERS):
            deleted = ROWS_MAX
            while deleted == ROWS_MAX:
                cursor.execute(statement, [names, ROWS_MAX])
                deleted = cursor.rowcount


def delete_topics(topics: Iterable[TopicName]) -> None:
    """Delete the topics' rows, in the transaction that deletes what they are about. Empty large topics before it."""
    Topic.objects.filter(name__in=list(topics)).delete()


def retire(inboxes: Iterable[str]) -> int:
    """Delete events older than `KEPT_FOR` that are not among the newest of their topic. Return how many.

    `inboxes`: prefixes of topics that belong to one viewer.
    """
    patterns = [f"{prefix}:%" for prefix in inboxes]
    before = timezone.now() - KEPT_FOR
    place: tuple[Any, ...] | None = (datetime.min.replace(tzinfo=UTC), "", 0)
    deleted = 0
    with connection.cursor() as cursor:
        while place is not None:
            given = [before, place[0], *place, SLICE_ROWS, patterns, KEPT_INBOX_EVENTS, KEPT_EVENTS]
            cursor.execute(_RETIRE, given)
            found = cursor.fetchone()
            place = found and found[1:]
            deleted += found[0] if found else 0
    return deleted
