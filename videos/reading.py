"""Reads videos and comments as every page, list and snapshot needs them. Called by topics, and by the API for comments.

As text: to have Django make one of these queries takes some milliseconds, the query itself a tenth of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import DEFAULT_DB_ALIAS

from accounts.models import Viewer
from accounts.permissions import held_sql
from moderation.roles import moderates_sql
from videos.models import Video
from videos.rights import MODERATE
from web.statements import rows

_VIDEO_COLUMNS = [field.attname for field in Video._meta.concrete_fields]
_VIDEOS = (
    f"SELECT owner.id, owner.name, {', '.join(f'video.{name}' for name in _VIDEO_COLUMNS)}"
    " FROM videos_video video JOIN accounts_viewer owner ON owner.id = video.owner_id "
)
_COMMENT_COLUMNS = (
    "id", "author_id", "author_name", "author_picture", "is_by_moderator", "body", "reply_to_id", "client_id", "seq",
    "created_at", "pinned_at", "deleted_at", "edited_at",
)  # fmt: skip


def _comments(*, owner: str, video: str) -> str:
    """Return SQL: the comments of a video of the owner's. Both are columns, or `%s`."""
    return (
        f"SELECT c.id, c.author_id, v.name, v.picture,"
        f" {held_sql(MODERATE)} OR {moderates_sql(owner=owner, viewer='c.author_id')},"
        " c.body, c.reply_to_id, c.client_id, c.seq, c.created_at, c.pinned_at, c.deleted_at, c.edited_at"
        f" FROM videos_comment c JOIN accounts_viewer v ON v.id = c.author_id WHERE c.video_id = {video} "
    )


_COMMENTS = _comments(owner="%s", video="%s")
_COMMENTS_OF_EACH = (
    "SELECT asked.id, found.* FROM unnest(%s::uuid[], %s::uuid[]) asked (id, owner_id) CROSS JOIN LATERAL ("
    + _comments(owner="asked.owner_id", video="asked.id")
)
_STANDINGS = (
    "SELECT asked.id, topic.seq, topic.viewers_peak,"
    " (SELECT jsonb_object_agg(kind, count) FROM videos_likecount WHERE video_id = asked.id)::text"
    " FROM unnest(%s::uuid[]) asked (id) JOIN realtime_topic topic ON topic.name = 'video:' || asked.id"
)


def read_videos(chosen: str, *values: Any) -> list[Video]:
    """Return the videos of the clauses `chosen`, each with id and name of its owner. One query."""
    found = []
    for owner_id, owner_name, *columns in rows(_VIDEOS + chosen, values):
        video = Video.from_db(DEFAULT_DB_ALIAS, _VIDEO_COLUMNS, columns)
        video.owner = Viewer.from_db(DEFAULT_DB_ALIAS, ["id", "name"], [owner_id, owner_name])
        found.append(video)
    return found


def read_video(video_id: UUID) -> Video | None:
    """Return the video with id and name of its owner. One query."""
    return next(iter(read_videos("WHERE video.id = %s", video_id)), None)


def read_comments(video: Video, chosen: str, *values: Any) -> list[dict[str, Any]]:
    """Return rows of the video's comments `c`, of the clauses that go on with `chosen`. One query.

    Each has besides the table's own columns `author_name`, `author_picture` and `is_by_moderator`.
    """
    found = rows(_COMMENTS + chosen, [video.owner_id, video.id, *values])
    return [dict(zip(_COMMENT_COLUMNS, row, strict=True)) for row in found]


def read_comments_of_each(videos: Sequence[Video], chosen: str, *values: Any) -> dict[UUID, list[dict[str, Any]]]:
    """Return what `read_comments` returns of each video, in any order. One query."""
    of_each: dict[UUID, list[dict[str, Any]]] = {video.id: [] for video in videos}
    owners = [video.owner_id for video in videos]
    for video_id, *row in rows(f"{_COMMENTS_OF_EACH}{chosen}) found", [list(of_each), owners, *values]):
        of_each[video_id].append(dict(zip(_COMMENT_COLUMNS, row, strict=True)))
    return of_each


_THREAD = """
WITH RECURSIVE up AS (
    SELECT id, reply_to_id, 0 AS steps FROM videos_comment WHERE video_id = %s AND id = %s
  UNION ALL
    SELECT c.id, c.reply_to_id, steps + 1 FROM up JOIN videos_comment c ON c.id = up.reply_to_id WHERE steps < %s
  ), down AS (
    (SELECT id FROM up ORDER BY steps DESC LIMIT 1)
  UNION ALL
    SELECT c.id FROM down JOIN videos_comment c ON c.reply_to_id = down.id
  )
SELECT id FROM down LIMIT %s
"""


def read_thread(video_id: UUID, comment_id: UUID, limit: int) -> list[UUID]:
    """Return the comment that a comment goes back to, and those that answer it, and those that answer these.

    At most `limit`, those first that are nearest to the first comment. One query.
    """
    return [id for (id,) in rows(_THREAD, [video_id, comment_id, limit, limit])]


def read_like(video_id: UUID, viewer_id: UUID) -> str | None:
    """Return the kind of the viewer's like. One query."""
    found = rows("SELECT kind FROM videos_like WHERE video_id = %s AND viewer_id = %s", [video_id, viewer_id])
    return found[0][0] if found else None


def read_seq(topic: str) -> int | None:
    """Return how far the topic is; None: there is none. One query."""
    found = rows("SELECT seq FROM realtime_topic WHERE name = %s", [topic])
    return found[0][0] if found else None


@dataclass(frozen=True, slots=True)
class VideoNumbers:
    """What of a video moves by itself: the head of its topic, likes by kind, most viewers at once."""

    seq: int
    viewers_peak: int
    likes: dict[str, int]


def standings(videos: Sequence[Video]) -> dict[UUID, VideoNumbers]:
    """Return how each video stands. One query."""
    found = rows(_STANDINGS, [[video.id for video in videos]])
    return {id: VideoNumbers(seq, peak, orjson.loads(likes or "{}")) for id, seq, peak, likes in found}
