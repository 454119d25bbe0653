"""The jobs of accounts: periodic, and mail as soon as there is some."""

from __future__ import annotations

import logging

from celery import shared_task

from accounts import cleaning, outbox, rechecks, removal, taken

logger = logging.getLogger(__name__)


@shared_task(name="accounts.tasks.forget_sessions")  # type: ignore[untyped-decorator]
def forget_sessions() -> int:
    """Delete expired sessions, and what nodes have read of others; return how many sessions."""
    _logged(rechecks.forget(), "old rechecks")
    return _logged(cleaning.forget_sessions(), "expired sessions")


@shared_task(name="accounts.tasks.forget_guests")  # type: ignore[untyped-decorator]
def forget_guests() -> int:
    """Delete guests who cannot come back and have left nothing; return how many."""
    return _logged(cleaning.forget_guests(), "guests without a trace")


@shared_task(name="accounts.tasks.fill_name_keys")  # type: ignore[untyped-decorator]
def fill_name_keys() -> int:
    """Give their keys to viewers that nodes with older code have made; return how many."""
    return _logged(taken.fill(), "viewers without a name key", did="found")


@shared_task(name="accounts.tasks.send_mail")  # type: ignore[untyped-decorator]
def send_mail() -> int:
    """Send the mail that waits; return how much."""
    return outbox.send_waiting()


@shared_task(name="accounts.tasks.erase")  # type: ignore[untyped-decorator]
def erase() -> bool:
    """Delete one account whose owner has asked for it."""
    return removal.erase_next()


def _logged(count: int, what: str, *, did: str = "deleted") -> int:
    if count:
        logger.info("%s %d %s", did, count, what)
    return count
