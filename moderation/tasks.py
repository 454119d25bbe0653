"""The periodic jobs of moderation."""

from __future__ import annotations

import logging

from celery import shared_task

from moderation import arrivals, complaints

logger = logging.getLogger(__name__)


@shared_task(name="moderation.tasks.forget_arrivals")  # type: ignore[untyped-decorator]
def forget_arrivals() -> int:
    """Delete where people came from some weeks ago; return how many."""
    count = arrivals.forget()
    if count:
        logger.info("deleted %d arrivals", count)
    return count


@shared_task(name="moderation.tasks.forget_complaints")  # type: ignore[untyped-decorator]
def forget_complaints() -> int:
    """Delete what viewers reported some months ago; return how many."""
    count = complaints.forget_old()
    if count:
        logger.info("deleted %d complaints", count)
    return count
