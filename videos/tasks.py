"""The backend's periodic jobs."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import connection, transaction
from django.utils import timezone

from realtime.log.writer import correct_counters, lock_topics
from videos import cleaning, timeline

logger = logging.getLogger(__name__)

_WRONG = """
SELECT 'video:' || c.video_id, c.video_id FROM videos_likecount c
LEFT JOIN (SELECT video_id, kind, count(*) AS n FROM videos_like GROUP BY 1, 2) l USING (video_id, kind)
WHERE c.count <> coalesce(l.n, 0)
"""
_MEND = """
UPDATE videos_likecount c
SET count = (SELECT count(*) FROM videos_like l WHERE l.video_id = c.video_id AND l.kind = c.kind)
WHERE c.video_id = %s
"""


@shared_task(name="videos.tasks.recount")  # type: ignore[untyped-decorator]
def recount() -> int:
    """Compare all like counters with the likes themselves; mend what is wrong and say so. Returns how many videos.

    They are kept in one transaction and cannot differ, unless somebody edits tables by hand: then viewers get the
    right number with the next reconcile.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WRONG)
        wrong = dict(cursor.fetchall())
        for topic, video_id in wrong.items():
            with transaction.atomic():
                lock_topics([topic])
                cursor.execute(_MEND, [video_id])
                correct_counters([topic])
            logger.error("recount: the like counters of %s were wrong and are mended", topic)
    return len(wrong)


@shared_task(name="videos.tasks.clear_pictures")  # type: ignore[untyped-decorator]
def clear_pictures() -> int:
    """Delete pictures of deleted videos and old live segments of ended ones; return how many."""
    return _logged(cleaning.clear_pictures(), "old segments and folders")


@shared_task(name="videos.tasks.keep_timelines")  # type: ignore[untyped-decorator]
def keep_timelines() -> int:
    """Write what is new into the timelines of live videos; return how many steps were written."""
    return timeline.look(timezone.now())


@shared_task(name="videos.tasks.clear_recordings")  # type: ignore[untyped-decorator]
def clear_recordings() -> int:
    """Delete recordings that are older than the site keeps them; return how many."""
    return _logged(cleaning.clear_recordings(), "old recordings")


def _logged(count: int, what: str) -> int:
    if count:
        logger.info("deleted %d %s", count, what)
    return count
