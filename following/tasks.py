"""The periodic job of channels."""

from __future__ import annotations

from celery import shared_task

from following import news, said, written


@shared_task(name="following.tasks.announce")  # type: ignore[untyped-decorator]
def announce() -> int:
    """Tell viewers of what they wait for, and what was said and written to them; return how many browsers took it."""
    return written.send() + said.send() + news.announce()
