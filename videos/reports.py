"""The report on a broadcast, for its broadcaster: how many watched, how long, when much happened, what was answered.

Called by the API and the studio. All figures come from what is counted anyway:

- viewers: all pages, phones and apps that watch, each account or guest once; not embeds and docks. `peak` is the
  highest number at once. `unique` counts each of them once (realtime.models.Audience): exact at first, then within
  0.4 %.
- minutes watched: the viewers of each step of the timeline (videos.timeline), which is the highest number in its 5 s,
  times how long it stood, from the start to the end. `average` is that divided by the length of the broadcast.
- likes: those that the video has. Reactions: single taps. Comments: those that are not deleted.
- moments: the highest peaks of likes and comments in the curve, which is that of the replay (videos.replay).
- top comments: those with the most answers, then those that were on top.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.models import Viewer
from videos.models import Comment, Pin, Video
from videos.reading import standings
from videos.replay import activity, timeline_json
from videos.representation import likes_json
from videos.rights import CHANGE
from videos.topics import comments_json, visible_for
from videos.watching import uniques
from web.statements import rows

MOMENTS_MAX = 5
TOP_COMMENTS_MAX = 10
CANDIDATES_MAX = 50
"""Of top comments: some may be deleted."""

# The step of the start begins before it, and that of the end may be long over.
_VIEWER_SECONDS = """
SELECT coalesce(sum(viewers * extract(epoch FROM greatest(least(until, %(end)s) - greatest(at, %(start)s), '0'))), 0)
FROM (SELECT at, viewers, lead(at, 1, %(end)s) OVER (ORDER BY at) AS until FROM videos_timelinestep
      WHERE video_id = %(id)s AND viewers IS NOT NULL) AS standing
"""
_REACTIONS = """
SELECT coalesce(sum(value::bigint), 0)::bigint FROM videos_timelinestep, jsonb_each_text(reactions)
WHERE video_id = %(id)s AND reactions <> '{}'
"""
# Without a join: of 100,000 comments one took seconds.
_ANSWERED = """
SELECT reply_to_id, count(*) AS answers FROM videos_comment
WHERE video_id = %(id)s AND deleted_at IS NULL AND reply_to_id IS NOT NULL
GROUP BY reply_to_id ORDER BY answers DESC, reply_to_id LIMIT %(most)s
"""


def report_json(video_id: UUID, actor: Viewer) -> dict[str, Any]:
    """Return the report as the API has it; while the video is live, until now. Raises NotFound, Forbidden."""
    video = visible_for(CHANGE, video_id, actor)
    timeline = timeline_json(video_id, actor)
    end = video.ended_at or timezone.now()
    start = video.started_at or end
    seconds = (end - start).total_seconds()
    watched = _viewer_seconds(video, start, end)
    numbers = standings([video])[video.id]
    peak = max([numbers.viewers_peak, *(point["viewers"] for point in timeline["points"])])
    [(reactions,)] = rows(_REACTIONS, {"id": video.id})
    return {
        "from_ms": round(start.timestamp() * 1000),
        "to_ms": round(end.timestamp() * 1000),
        "seconds": round(seconds, 1),
        "viewers": {
            "peak": peak,
            "average": round(watched / seconds, 1) if seconds else 0,
            "unique": max(peak, uniques([video.topic]).get(video.topic, 0)),
        },
        "minutes_watched": round(watched / 60, 1),
        "likes": likes_json(numbers.likes),
        "reactions": reactions,
        "comments": Comment.objects.filter(video=video, deleted_at=None).count(),
        "step_ms": timeline["step_ms"],
        "points": timeline["points"],
        "moments": _moments(timeline),
        "top_comments": _top_comments(video),
    }


def _viewer_seconds(video: Video, start: datetime, end: datetime) -> float:
    """Return how long all viewers together watched between two moments. One query."""
    [(found,)] = rows(_VIEWER_SECONDS, {"id": video.id, "start": start, "end": end})
    return float(found)


def _moments(timeline: dict[str, Any]) -> list[dict[str, int]]:
    """Return the points of the curve at its highest peaks, the highest first."""
    points = {point["at_ms"]: point for point in timeline["points"]}
    highest = sorted(timeline["peaks"], key=lambda peak: -peak["activity"])[:MOMENTS_MAX]
    return [points[peak["at_ms"]] for peak in highest if activity(points[peak["at_ms"]])]


def _top_comments(video: Video) -> list[dict[str, Any]]:
    """Return the comments with the most answers, each with how many; then those that were on top. Three queries."""
    answers = dict(rows(_ANSWERED, {"id": video.id, "most": CANDIDATES_MAX}))
    if len(answers) < CANDIDATES_MAX:  # else there are enough, and not all with answers are known
        pinned = Pin.objects.filter(video=video).order_by("pinned_at").values_list("comment_id", flat=True)
        answers |= dict.fromkeys((id for id in pinned[:CANDIDATES_MAX] if id not in answers), 0)
    found = comments_json(video, "AND c.deleted_at IS NULL AND c.id = ANY(%s)", [*answers]) if answers else []
    shown = {UUID(comment["id"]): comment for comment in found}
    top = [{"comment": shown[id], "answers": count} for id, count in answers.items() if id in shown]
    return top[:TOP_COMMENTS_MAX]
