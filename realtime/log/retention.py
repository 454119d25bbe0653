"""Deletes from the event log: topics with everything that belongs to them, and events that nobody needs any more.

Called by apps that delete what a topic is about, and by the periodic job (realtime.tasks). In slices, each a short
transaction: the log of a large room is more than one statement may take.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

from realtime.events import TopicName
from realtime.models import Topic

ROWS_MAX = 5_000  # rows of one statement, far from the statement timeout
KEPT_FOR = timedelta(hours=24)
RETIRED_MAX = 200_000
"""Events that one pass deletes, in some seconds. The other jobs wait meanwhile, and the next pass goes on."""

_EVENTS = """
DELETE FROM realtime_loggedevent WHERE (topic_id, seq) IN
(SELECT topic_id, seq FROM realtime_loggedevent WHERE topic_id = ANY(%s) LIMIT %s)
"""
_VIEWERS = """
DELETE FROM realtime_seenviewer WHERE (topic_id, key) IN
(SELECT topic_id, key FROM realtime_seenviewer WHERE topic_id = ANY(%s) LIMIT %s)
"""
# The oldest events, by the index on `at`. What somebody changes just now is left to the next pass: to wait for it could
# be a deadlock. Returns their number and the newest `at`: the next slice begins there, past what is deleted already.
_RETIRE = """
WITH gone AS (
  DELETE FROM realtime_loggedevent WHERE (topic_id, seq) IN (
    SELECT topic_id, seq FROM realtime_loggedevent WHERE at >= %s AND at < %s ORDER BY at LIMIT %s
    FOR UPDATE SKIP LOCKED
  ) RETURNING at
)
SELECT count(*), max(at) FROM gone
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


def retire() -> int:
    """Delete events older than `KEPT_FOR`, the oldest first, `RETIRED_MAX` at most. Return how many.

    It reads no event that stays. Viewers who come back from before what is left get a reset.
    """
    place, before = datetime.min.replace(tzinfo=UTC), timezone.now() - KEPT_FOR
    deleted, found = 0, ROWS_MAX
    with connection.cursor() as cursor:
        while found == ROWS_MAX and deleted < RETIRED_MAX:
            cursor.execute(_RETIRE, [place, before, ROWS_MAX])
            found, newest = cursor.fetchone()
            place = newest or place
            deleted += found
    return deleted
