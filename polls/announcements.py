"""Announcements: what a broadcaster says to all who watch, on the board until it is taken away.

Hop: called by the API; realtime.log.writer records it for those who watch.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Viewer
from polls.board import held, held_open
from polls.models import ANNOUNCEMENT_MAX, Announcement
from polls.text import checked_line
from realtime.log import writer as log
from web.moments import to_ms


def announce(video_id: UUID, actor: Viewer, text: str) -> dict[str, Any]:
    """Put an announcement on the board, in place of the one before. Raises NotFound, Forbidden, Invalid, Conflict."""
    text = checked_line(text, ANNOUNCEMENT_MAX, "announcement")
    with held_open(video_id, actor) as board:
        now = timezone.now()
        _end(video_id)
        made = Announcement.objects.create(video_id=video_id, author=actor, text=text, made_at=now)
        log.record(board.head, "announcement", {"announcement": _json(made)})
        board.write_down("announce", made.id, text)
        return _json(made)


def take_away(video_id: UUID, actor: Viewer) -> None:
    """Take the announcement from the board. Without one, nothing changes. Raises NotFound, Forbidden."""
    with held(video_id, actor) as board:
        if _end(video_id):
            log.record(board.head, "announcement", {"announcement": None})


def _end(video_id: UUID) -> int:
    return _shown(video_id).update(ended_at=timezone.now())


def _shown(video_id: UUID) -> QuerySet[Announcement]:
    return Announcement.objects.filter(video_id=video_id, ended_at=None)


def _json(made: Announcement) -> dict[str, Any]:
    return {"id": str(made.id), "text": made.text, "at_ms": to_ms(made.made_at)}


def current_json(video_id: UUID) -> dict[str, Any] | None:
    """Return the announcement on the board. One query."""
    found = _shown(video_id).first()
    return None if found is None else _json(found)
