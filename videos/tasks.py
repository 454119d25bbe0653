"""The backend's periodic jobs."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from videos import cleaning, held, timeline
from videos import recount as recounting

logger = logging.getLogger(__name__)


@shared_task(name="videos.tasks.recount")  # type: ignore[untyped-decorator]
def recount() -> int:
    """Compare like counters with the likes themselves, and mend what is wrong. Returns how many videos.

    Viewers get the right number with the next reconcile. What was held and thrown away for good is deleted, too.
    """
    held.forget_taken()
    return len(recounting.recount(timezone.now()))


@shared_task(name="videos.tasks.clear_pictures")  # type: ignore[untyped-decorator]
def clear_pictures() -> int:
    """Delete pictures of deleted videos and old live segments of ended ones; return how many."""
    return _logged(cleaning.clear_pictures(), "old segments and folders")


@shared_task(name="videos.tasks.forget_seen")  # type: ignore[untyped-decorator]
def forget_seen() -> int:
    """Delete the keys of viewers of videos that ended some time ago; return how many."""
    return _logged(cleaning.forget_seen(), "keys of viewers")


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
