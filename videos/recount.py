"""Compares like counters with the likes themselves, and mends what is wrong. Called by a job (videos.tasks).

Both are kept in one transaction and cannot differ, unless somebody edits tables by hand. All likes of a site are too
many to count at once, so each run looks at the videos that people like now, and at one part of all others.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from realtime.events import TopicName
from realtime.log.writer import correct_counters, lock_topics
from web.statements import rows

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
PARTS = 288  # a whole day
RECENT = timedelta(hours=1)
VIDEOS_MAX = 100  # in one statement
COUNT_SECONDS = 60

_DUE = """
SELECT id FROM videos_video
WHERE status <> 'ended' OR ended_at > %s OR (uuid_hash(id) & 2147483647) %% %s = %s ORDER BY id
"""
_WRONG = """
SELECT DISTINCT c.video_id FROM videos_likecount c LEFT JOIN (
  SELECT video_id, kind, count(*) AS n FROM videos_like WHERE video_id = ANY(%s) GROUP BY 1, 2
) l USING (video_id, kind)
WHERE c.video_id = ANY(%s) AND c.count <> coalesce(l.n, 0)
"""
_MEND = """
UPDATE videos_likecount c
SET count = (SELECT count(*) FROM videos_like l WHERE l.video_id = c.video_id AND l.kind = c.kind)
WHERE c.video_id = %s
"""


def recount(now: datetime) -> list[UUID]:
    """Look at the videos whose turn it is; return those whose counters were wrong."""
    due = videos_due(now)
    wrong = [id for start in range(0, len(due), VIDEOS_MAX) for id in _wrong(due[start : start + VIDEOS_MAX])]
    for id in wrong:
        _mend(id)
        logger.error("recount: the like counters of video:%s were wrong and are mended", id)
    return wrong


def videos_due(now: datetime) -> list[UUID]:
    """Return those that have not ended, or just now, and of all others one part, another one each time."""
    part = int(now.timestamp() // EVERY.total_seconds()) % PARTS
    return [id for (id,) in rows(_DUE, [now - RECENT, PARTS, part])]


def _wrong(ids: list[UUID]) -> list[UUID]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{COUNT_SECONDS}s'")
        cursor.execute(_WRONG, [ids, ids])
        return [id for (id,) in cursor.fetchall()]


@transaction.atomic
def _mend(id: UUID) -> None:
    topic = TopicName(f"video:{id}")
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{COUNT_SECONDS}s'")
        lock_topics([topic])
        cursor.execute(_MEND, [id])
        correct_counters([topic])
