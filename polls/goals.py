"""Goals: how many likes or viewers a broadcaster wants. Pages compare them with the video's own numbers.

Hop: called by the API; realtime.log.writer records it for those who watch.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import Viewer
from polls.board import HeldBoard, held, held_open
from polls.models import GOAL_TITLE_MAX, Goal
from polls.text import checked_line
from realtime.log import writer as log
from web.text import is_visible


def set_goal(video_id: UUID, actor: Viewer, kind: str, target: int, title: str) -> dict[str, Any]:
    """Put a goal on the board, in place of the one of its kind. Raises NotFound, Forbidden, Invalid, Conflict."""
    title = checked_line(title, GOAL_TITLE_MAX, "title") if is_visible(title) else ""
    with held_open(video_id, actor) as board:
        goal, _ = Goal.objects.update_or_create(
            video_id=video_id, kind=kind, defaults={"target": target, "title": title}
        )
        _publish(board)
        board.write_down("set_goal", video_id, f"{target} {kind}")
        return _json(goal)


def take_goal_away(video_id: UUID, actor: Viewer, kind: str) -> None:
    """Take a goal from the board. Without one, nothing changes. Raises NotFound, Forbidden."""
    with held(video_id, actor) as board:
        if Goal.objects.filter(video_id=video_id, kind=kind).delete()[0]:
            _publish(board)


def _publish(board: HeldBoard) -> None:
    log.record(board.head, "goals", {"goals": goals_json(board.video.id)})


def _json(goal: Goal) -> dict[str, Any]:
    return {"kind": goal.kind, "target": goal.target, "title": goal.title}


def goals_json(video_id: UUID) -> list[dict[str, Any]]:
    """Return the goals on the board. One query."""
    return [_json(goal) for goal in Goal.objects.filter(video_id=video_id).order_by("kind")]
