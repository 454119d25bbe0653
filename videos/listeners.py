"""Who hears that comments have changed: were written, edited, deleted or brought back. Apps above add theirs at start.

Called by all that changes comments, in the transaction that does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

Execute = Callable[[Any, Any], object]


class CommentListener:
    """What one app does about it."""

    def changed(self, execute: Execute, comment_ids: Sequence[UUID]) -> None:
        """Note that these comments have changed, by statements on the connection of the transaction."""
        raise NotImplementedError

    def gone(self, video_id: UUID) -> None:
        """Note that all comments of a video are deleted for good."""
        raise NotImplementedError


listeners: list[CommentListener] = []


def may_concern(body: str, reply_to: UUID | None) -> bool:
    """Whether a comment may be said to somebody. Of others that are written nobody has to hear."""
    return reply_to is not None or "@" in body


def changed(comment_ids: Sequence[UUID], execute: Execute | None = None) -> None:
    """Say that these comments have changed. `execute`: of a connection outside Django."""
    if not comment_ids:
        return
    if execute is None:
        with connection.cursor() as cursor:
            changed(comment_ids, cursor.execute)
        return
    for listener in listeners:
        listener.changed(execute, comment_ids)


def gone(video_id: UUID) -> None:
    for listener in listeners:
        listener.gone(video_id)
