"""The periodic job of channels."""

from __future__ import annotations

from celery import shared_task

from following import news, said


@shared_task(name="following.tasks.announce")  # type: ignore[untyped-decorator]
def announce() -> int:
    """Tell viewers of what they wait for, and what was said to them; return how many browsers took it."""
    return news.announce() + said.send()
