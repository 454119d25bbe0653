"""A video looked at again: the curve of its whole time, and windows of everything that happened. Called by the API.

Both read the timeline (videos.timeline); a window has the comments and pins, too. The windows of a video put together
hold each comment that is not deleted once. Rights are as for watching.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from accounts.models import Viewer
from realtime.events import MS_MAX
from videos.models import Video
from videos.representation import likes_json
from videos.timeline import STEP, step_of
from videos.topics import comments_json, visible_video
from web import statements
from web.moments import to_ms

WINDOW_MAX_MS = 600_000
WINDOW_MAX_COMMENTS = 1_000
CURVE_MAX = timedelta(days=1)
POINTS_MAX = 300
PEAKS_MAX = 8
PEAK_TIMES_MEAN = 2
"""How many times as much as on average happens at a peak."""

_MILLISECOND = timedelta(milliseconds=1)
_STEPS = (
    "SELECT at, likes::text, reactions::text, comments, viewers FROM videos_timelinestep"
    " WHERE video_id = %s AND at >= %s AND at < %s ORDER BY at"
)
_FOLDED = """
SELECT date_bin(%(width)s, at, %(start)s), max(viewers),
  (array_agg(viewers ORDER BY at DESC) FILTER (WHERE viewers IS NOT NULL))[1], sum(comments)::bigint,
  sum(CASE WHEN reactions = '{}' THEN 0
      ELSE (SELECT sum(value::bigint) FROM jsonb_each_text(reactions)) END)::bigint,
  ((array_agg(likes ORDER BY at DESC) FILTER (WHERE likes IS NOT NULL))[1])::text
FROM videos_timelinestep WHERE video_id = %(id)s AND at >= %(start)s AND at < %(end)s GROUP BY 1
"""
_BEFORE = (
    "SELECT (SELECT likes::text FROM videos_timelinestep WHERE video_id = %(id)s AND at < %(at)s"
    " AND likes IS NOT NULL ORDER BY at DESC LIMIT 1),"
    " (SELECT viewers FROM videos_timelinestep WHERE video_id = %(id)s AND at < %(at)s"
    " AND viewers IS NOT NULL ORDER BY at DESC LIMIT 1)"
)
_SEQ_BEFORE = (
    "SELECT coalesce((SELECT seq FROM videos_comment WHERE video_id = %s AND created_at < %s"
    " ORDER BY created_at DESC LIMIT 1), 0)"
)
_PINS = (
    "SELECT comment_id, pinned_at, unpinned_at FROM videos_pin WHERE video_id = %s"
    " AND pinned_at < %s AND (unpinned_at IS NULL OR unpinned_at > %s) ORDER BY pinned_at, id"
)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + ms * _MILLISECOND


def _standing_before(video: Video, at: datetime) -> tuple[dict[str, int], int]:
    """Return the likes by kind and the viewers that the video had. One query."""
    [(likes, viewers)] = statements.rows(_BEFORE, {"id": video.id, "at": at})
    return orjson.loads(likes or "{}"), viewers or 0


# The whole time


def timeline_json(video_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return `{"from_ms", "to_ms", "step_ms", "points", "peaks"}`: at most some 300 points of equal length.

    Of a broadcast longer than a day they show the last day. Of a video that has not begun there are none. Three
    queries. Raises NotFound.
    """
    video = visible_video(video_id, viewer)
    end = video.ended_at or timezone.now()
    start = step_of(max(video.started_at or end, end - CURVE_MAX))
    width = STEP * max(1, -(-(end - start) // (STEP * POINTS_MAX)))
    points = read_points(video, start, end, width) if video.started_at else []
    return {
        "from_ms": to_ms(start),
        "to_ms": to_ms(end),
        "step_ms": width // _MILLISECOND,
        "points": points,
        "peaks": [
            {"at_ms": points[at]["at_ms"], "activity": activity(points[at])} for at in peaks([*map(activity, points)])
        ],
    }


def read_points(video: Video, start: datetime, end: datetime, width: timedelta) -> list[dict[str, int]]:
    """Return what happened in each `width` from `start` on, as far as `end`. Two queries."""
    likes, viewers = _standing_before(video, start)
    asked = {"id": video.id, "start": start, "end": end, "width": width}
    folded = {at: news for at, *news in statements.rows(_FOLDED, asked)}
    total = sum(likes.values())
    points = []
    for at in (start + number * width for number in range((end - start) // width + 1)):
        highest, last, comments, reactions, new_likes = folded.get(at, (None, None, 0, 0, None))
        new_total = total if new_likes is None else sum(orjson.loads(new_likes).values())
        points.append(
            {
                "at_ms": to_ms(at) or 0,
                "likes": max(0, new_total - total),
                "reactions": reactions,
                "comments": comments,
                "viewers": max(viewers, highest or 0),
            }
        )
        total, viewers = new_total, viewers if last is None else last
    return points


def activity(point: dict[str, int]) -> int:
    """Return how much happened, in acts that a viewer does once. One tap of a burst of reactions is none."""
    return point["likes"] + point["comments"]


def peaks(curve: Sequence[int]) -> list[int]:
    """Return the places of the highest peaks of a curve, in order of time.

    A peak is the highest place within a twentieth of the whole, and twice as high as the mean. A place counts with
    half of its neighbours, so one step more or less does not make two peaks of one.
    """
    padded = [0, *curve, 0]
    smooth = [before + 2 * at + after for (before, at), (_, after) in pairwise(pairwise(padded))]
    reach = max(1, len(smooth) // 20)
    least = PEAK_TIMES_MEAN * sum(smooth) / max(1, len(smooth))
    found = [
        at
        for at, height in enumerate(smooth)
        if height > 0
        and height >= least
        and height > max(smooth[max(0, at - reach) : at], default=-1)
        and height >= max(smooth[at : at + reach + 1])
    ]
    return sorted(sorted(found, key=lambda at: -smooth[at])[:PEAKS_MAX])


# A window


def replay_json(
    video_id: UUID, viewer: Viewer | None, from_ms: int | None = None, until_ms: int | None = None
) -> dict[str, Any]:
    """Return what happened from `from_ms` on (None: from the beginning), up to but without `until_ms`.

    The answer's own `to_ms` says how far it goes: 10 minutes, or 1,000 comments. There the next window begins.
    Raises NotFound.
    """
    video = visible_video(video_id, viewer)
    begin_ms = from_ms if from_ms is not None else to_ms(video.started_at or video.created_at) or 0
    end_ms = min(begin_ms + WINDOW_MAX_MS, MS_MAX, MS_MAX if until_ms is None else until_ms)
    start = _moment(begin_ms)
    comments, end = _comments(video, start, _moment(max(begin_ms, end_ms)))
    likes, viewers = _standing_before(video, start)
    return {
        "from_ms": to_ms(start),
        "to_ms": to_ms(end),
        "likes": likes_json(likes),
        "viewers": viewers,
        "seq_before": statements.rows(_SEQ_BEFORE, [video.id, start])[0][0],
        "steps": _steps(video, start, end, likes, viewers),
        "comments": comments,
        "pins": _pins(video, start, end),
    }


def _steps(video: Video, start: datetime, end: datetime, likes: dict[str, int], viewers: int) -> list[dict[str, Any]]:
    """Return the steps with something new that begin in the window, after such likes and viewers. One query."""
    found = []
    for at, new_likes, reactions, comments, new_viewers in statements.rows(_STEPS, [video.id, start, end]):
        likes = likes if new_likes is None else orjson.loads(new_likes)
        viewers = viewers if new_viewers is None else new_viewers
        found.append(
            {
                "at_ms": to_ms(at),
                "likes": likes_json(likes),
                "reactions": orjson.loads(reactions),
                "comments": comments,
                "viewers": viewers,
            }
        )
    return found


def _comments(video: Video, start: datetime, end: datetime) -> tuple[list[dict[str, Any]], datetime]:
    """Return the comments of the window, the oldest first, and its end: earlier if there are too many. One query."""
    chosen = "AND c.deleted_at IS NULL AND c.created_at >= %s AND c.created_at < %s ORDER BY c.created_at, c.seq"
    [cut] = statements.rows(
        "SELECT (SELECT created_at FROM videos_comment WHERE video_id = %s AND deleted_at IS NULL AND created_at >= %s"
        " AND created_at < %s ORDER BY created_at OFFSET %s LIMIT 1)",
        [video.id, start, end, WINDOW_MAX_COMMENTS],
    )[0]
    if cut is not None:  # a window ends between two milliseconds; it has one at least
        end = max(cut - timedelta(microseconds=cut.microsecond % 1_000), start + _MILLISECOND)
    return comments_json(video, chosen, start, end), end


def _pins(video: Video, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return what was on top at any time of the window, and from when until when. Two queries, or one."""
    times = statements.rows(_PINS, [video.id, end, start])
    if not times:
        return []
    ids = list({comment_id for comment_id, _, _ in times})
    shown = {each["id"]: each for each in comments_json(video, "AND c.deleted_at IS NULL AND c.id = ANY(%s)", ids)}
    return [
        {"comment": shown[str(id)], "from_ms": to_ms(pinned_at), "until_ms": to_ms(unpinned_at)}
        for id, pinned_at, unpinned_at in times
        if str(id) in shown
    ]
