"""Reads what people have heard. Called by the API, the page, and by topics for snapshots.

No line shows deleted comments, nor comments of people that the viewer blocks. A line without comments is not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from web.moments import to_ms
from web.statements import rows

LINES_MAX = 100  # of one viewer
INBOX_PART = "notices"
"""The name of the value in the topic `user:<id>`, and of its event."""

_LINES = """
SELECT n.viewer_id, n.id, n.kind, n.at, n.seen_at, v.id, v.title, c.id, c.body, c.created_at, a.id, a.name, c.people
FROM notices_notice n JOIN videos_video v ON v.id = n.video_id
CROSS JOIN LATERAL (
    SELECT c.id, c.body, c.created_at, c.author_id, count(*) OVER () AS people
    FROM notices_noticecomment nc JOIN videos_comment c ON c.id = nc.comment_id
    WHERE nc.notice_id = n.id AND c.deleted_at IS NULL AND NOT EXISTS (
        SELECT FROM messaging_block WHERE blocker_id = n.viewer_id AND blocked_id = c.author_id
    )
    ORDER BY nc.at DESC LIMIT 1
) c JOIN accounts_viewer a ON a.id = c.author_id
WHERE {chosen} AND (
    v.visibility <> 'private' OR v.owner_id = n.viewer_id
    OR EXISTS (SELECT FROM moderation_role WHERE channel_id = v.owner_id AND viewer_id = n.viewer_id)
)
ORDER BY n.at DESC, n.id DESC LIMIT %(limit)s
"""
_VALUES = """
SELECT v.id,
  (SELECT count(*) FROM notices_notice n WHERE n.viewer_id = v.id AND n.seen_at IS NULL AND NOT EXISTS (
    SELECT FROM notices_noticechoice o WHERE o.viewer_id = v.id AND o.kind = n.kind AND o.way = 'site' AND NOT o.is_on
  ) AND EXISTS (
    SELECT FROM notices_noticecomment nc WHERE nc.notice_id = n.id AND NOT EXISTS (
      SELECT FROM messaging_block WHERE blocker_id = v.id AND blocked_id = nc.author_id
    )
  )),
  NOT EXISTS (
    SELECT FROM notices_noticechoice o
    WHERE o.viewer_id = v.id AND o.kind = 'message' AND o.way = 'site' AND NOT o.is_on
  )
FROM accounts_viewer v WHERE v.id = ANY(%s)
"""


def lines(viewer_id: UUID, limit: int = LINES_MAX) -> list[dict[str, Any]]:
    """Return what somebody has heard, the newest first. One query."""
    found = rows(_LINES.format(chosen="n.viewer_id = %(viewer)s"), {"viewer": viewer_id, "limit": limit})
    return [_line_json(*row) for _viewer_id, *row in found]


def lines_of(notice_ids: Sequence[UUID]) -> list[tuple[UUID, dict[str, Any]]]:
    """Return these lines, as `lines` does, each with whose it is. One query."""
    values: dict[str, Any] = {"ids": list(notice_ids), "limit": len(notice_ids)}
    found = rows(_LINES.format(chosen="n.id = ANY(%(ids)s) AND n.seen_at IS NULL"), values)
    return [(viewer_id, _line_json(*row)) for viewer_id, *row in found]


def _line_json(
    id: UUID,
    kind: str,
    at: Any,
    seen_at: Any,
    video_id: UUID,
    title: str,
    comment_id: UUID,
    body: str,
    written_at: Any,
    author_id: UUID,
    name: str,
    people: int,
) -> dict[str, Any]:
    return {
        "id": str(id),
        "kind": kind,
        "video": {"id": str(video_id), "title": title},
        "comment": {
            "id": str(comment_id),
            "author": {"id": str(author_id), "name": name},
            "body": body,
            "at_ms": to_ms(written_at),
        },
        "others": people - 1,
        "path": f"/videos/{video_id}/?comment={comment_id}",
        "at_ms": to_ms(at),
        "is_seen": seen_at is not None,
    }


def inbox_values(viewer_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return for each viewer `{"unread", "counts_messages"}`: lines not seen, and whether messages are counted.

    One query.
    """
    found = rows(_VALUES, [list(viewer_ids)])
    return {id: {"unread": unread, "counts_messages": counts} for id, unread, counts in found}


class NoticesPart:
    """The number of what is new, as a part of inboxes (messaging.topics)."""

    name = INBOX_PART

    def load(self, viewer_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        return inbox_values(viewer_ids)
