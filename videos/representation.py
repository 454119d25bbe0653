"""What viewers read about videos, comments and people: one JSON form for REST, events and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.permissions import holds
from accounts.representation import person, with_picture
from moderation.roles import moderates
from videos.models import Comment, LikeKind, Video
from videos.rights import MODERATE
from web.moments import to_ms


def role_of(author_id: UUID, *, is_moderator: bool, owner_id: UUID) -> str | None:
    if author_id == owner_id:
        return "broadcaster"
    return "moderator" if is_moderator else None


def video_json(video: Video) -> dict[str, Any]:
    """The video without what moves by itself (seq, likes, viewers). Needs `video.owner`."""
    return {
        "id": str(video.id),
        "topic": video.topic,
        "title": video.title,
        "description": video.description,
        "status": video.status,
        "visibility": video.visibility,
        "broadcaster": person(video.owner),
        "comments_enabled": video.comments_enabled,
        "playlist": video.playlist,
        "picture": {"state": video.picture, "since_ms": to_ms(video.picture_since)},
        "starts_itself": video.starts_itself,
        "is_recorded": video.is_recorded,
        "comments_after_end": video.comments_after_end,
        "captions": video.captions.split(),
        "has_board": video.has_board,
        "starts_at_ms": to_ms(video.starts_at),
        "started_at_ms": to_ms(video.started_at),
        "ended_at_ms": to_ms(video.ended_at),
    }


def with_authors(comments: QuerySet[Comment]) -> QuerySet[Comment]:
    """Read with each comment what is shown of its author, in the same query."""
    return comments.select_related("author").annotate(
        is_by_moderator=holds(MODERATE, of="author__") | moderates(owner="video__owner", viewer="author")
    )


def comment_json(comment: Any) -> dict[str, Any]:
    """The comment, one of `with_authors`. Needs `comment.video`."""
    author = comment.author
    role = role_of(author.id, is_moderator=comment.is_by_moderator, owner_id=comment.video.owner_id)
    return comment_fields(vars(comment), {**with_picture(author), "role": role})


def comment_fields(row: Mapping[str, Any], author: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comment of a row of its table, by the names of the columns, as clients get it."""
    return {
        "id": str(row["id"]),
        "author": author,
        "body": row["body"],
        "reply_to": str(row["reply_to_id"]) if row["reply_to_id"] else None,
        "client_id": row["client_id"],
        "seq": row["seq"],
        "at_ms": to_ms(row["created_at"]) or 0,
        "pinned": row["pinned_at"] is not None,
        "edited_at_ms": to_ms(row["edited_at"]),
    }


KINDS = tuple(LikeKind.values)


def likes_json(kinds: Mapping[str, int]) -> dict[str, Any]:
    """Like totals, each kind present."""
    full = {kind: kinds.get(kind, 0) for kind in KINDS}
    return {"total": sum(full.values()), "kinds": full}
