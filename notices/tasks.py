"""The periodic jobs of notices."""

from __future__ import annotations

from celery import shared_task

from notices import telling


@shared_task(name="notices.tasks.tell")  # type: ignore[untyped-decorator]
def tell() -> int:
    """Look at the comments that have changed, for those who hear of them; return how many."""
    return telling.tell()


@shared_task(name="notices.tasks.forget")  # type: ignore[untyped-decorator]
def forget() -> int:
    """Delete lines that are older than `telling.KEPT_FOR`; return how many."""
    return telling.forget()
