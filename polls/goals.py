"""Goals: how many likes or viewers a broadcaster wants. Pages compare them with the video's own numbers.

Hop: called by the API, the admin and a periodic job; realtime.log.writer records it for those who watch.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Viewer
from polls.board import board_topic, held, held_open
from polls.models import GOAL_TITLE_MAX, Goal
from polls.text import checked_line
from realtime.log import writer as log
from web.moments import to_ms
from web.statements import rows
from web.text import is_visible

# The timeline has a row where a number changes: the newest one is that of now.
_REACHED = """
SELECT g.id, g.video_id FROM polls_goal g JOIN videos_video v ON v.id = g.video_id
WHERE g.reached_at IS NULL AND v.status = 'live' AND g.target <= CASE g.kind
  WHEN 'likes' THEN (SELECT sum(count) FROM videos_likecount c WHERE c.video_id = g.video_id)
  ELSE greatest(
    (SELECT max(viewers) FROM videos_timelinestep s WHERE s.video_id = g.video_id AND s.at >= g.set_at),
    (SELECT viewers FROM videos_timelinestep s WHERE s.video_id = g.video_id AND viewers IS NOT NULL
     ORDER BY at DESC LIMIT 1))
  END
"""
_NOTE = f"""
UPDATE polls_goal goal SET reached_at = now() FROM ({_REACHED}) AS found
WHERE goal.id = found.id AND found.video_id = %s
"""


def set_goal(video_id: UUID, actor: Viewer, kind: str, target: int, title: str) -> dict[str, Any]:
    """Put a goal on the board, in place of the one of its kind. Raises NotFound, Forbidden, Invalid, Conflict."""
    title = checked_line(title, GOAL_TITLE_MAX, "title") if is_visible(title) else ""
    with held_open(video_id, actor) as board:
        goal, _ = Goal.objects.update_or_create(
            video_id=video_id,
            kind=kind,
            defaults={"target": target, "title": title, "set_at": timezone.now(), "reached_at": None},
        )
        _publish(board.head, video_id)
        board.write_down("set_goal", video_id, f"{target} {kind}")
        return _json(goal)


def take_goal_away(video_id: UUID, actor: Viewer, kind: str) -> None:
    """Take a goal from the board. Without one, nothing changes. Raises NotFound, Forbidden."""
    with held(video_id, actor) as board:
        if Goal.objects.filter(video_id=video_id, kind=kind).delete()[0]:
            _publish(board.head, video_id)


def note_reached() -> int:
    """Write down which goals of live videos have been reached, and publish it; return how many."""
    videos = sorted({video_id for _, video_id in rows(_REACHED, [])})
    return sum(_note_reached(video_id) for video_id in videos)


@transaction.atomic
def _note_reached(video_id: UUID) -> int:
    head = log.lock_topics([board_topic(video_id)]).get(board_topic(video_id))
    if head is None:  # the video was deleted meanwhile
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [video_id])
        count: int = cursor.rowcount
    if count:
        _publish(head, video_id)
    return count


def _publish(head: log.LockedHead, video_id: UUID) -> None:
    log.record(head, "goals", {"goals": goals_json(video_id)})


def _json(goal: Goal) -> dict[str, Any]:
    return {
        "kind": goal.kind,
        "target": goal.target,
        "title": goal.title,
        "set_at_ms": to_ms(goal.set_at),
        "reached_at_ms": to_ms(goal.reached_at),
    }


def goals_json(video_id: UUID) -> list[dict[str, Any]]:
    """Return the goals on the board. One query."""
    return [_json(goal) for goal in Goal.objects.filter(video_id=video_id).order_by("kind")]
