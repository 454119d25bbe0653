"""What the group commit of likes and comments is asked to do, and what may come of it. Called by videos.likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from accounts.models import Viewer
from accounts.tokens import Claim
from realtime.events import now_ms
from screening.rules import ALLOWED, Verdict
from web.ids import new_id


@dataclass(frozen=True, slots=True)
class SetLike:
    """Make the viewer's like of the video this kind; None takes it back."""

    video_id: UUID
    who: Viewer | Claim
    kind: str | None
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class AddComment:
    video_id: UUID
    who: Viewer | Claim
    body: str
    reply_to: UUID | None = None
    client_id: str | None = None
    verdict: Verdict = ALLOWED
    """Of the site's own program (screening.hook)."""
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class EditComment:
    video_id: UUID
    who: Viewer | Claim
    comment_id: UUID
    body: str
    verdict: Verdict = ALLOWED
    """Of the site's own program (screening.hook)."""
    at_ms: int = field(default_factory=now_ms)


Command = SetLike | AddComment | EditComment


class HeldBack(Exception):
    """A comment waits for a moderator, for this reason. It is in no topic, so the batch does not write it."""


class Shadowed(Exception):
    """A comment by somebody under a shadow: it waits too, and its author gets it as if it was written."""

    def __init__(self, shown: dict[str, Any]) -> None:
        super().__init__(shown["id"])
        self.shown = shown


def new_row(command: AddComment, seq: int) -> dict[str, Any]:
    """Return the comment by the names of its columns."""
    return {
        "id": new_id(),
        "body": command.body,
        "reply_to_id": command.reply_to,
        "client_id": command.client_id,
        "seq": seq,
        "created_at": datetime.fromtimestamp(command.at_ms / 1000, UTC),
        "pinned_at": None,
        "edited_at": None,
    }
