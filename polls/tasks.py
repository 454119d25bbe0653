"""The periodic job of boards."""

from __future__ import annotations

from celery import shared_task

from polls import goals


@shared_task(name="polls.tasks.note_reached_goals")  # type: ignore[untyped-decorator]
def note_reached_goals() -> int:
    """Write down which goals have been reached since the last look; return how many."""
    return goals.note_reached()
