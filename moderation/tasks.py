"""The periodic job of moderation."""

from __future__ import annotations

import logging

from celery import shared_task

from moderation import arrivals

logger = logging.getLogger(__name__)


@shared_task(name="moderation.tasks.forget_arrivals")  # type: ignore[untyped-decorator]
def forget_arrivals() -> int:
    """Delete where people came from some weeks ago; return how many."""
    count = arrivals.forget()
    if count:
        logger.info("deleted %d arrivals", count)
    return count
