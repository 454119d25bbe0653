"""Raids: a broadcaster takes all who watch to another channel's broadcast, which says who has come.

Hop: called by the API and by the end of a video; realtime.log.writer records it on both boards.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from moderation.restrictions import takes_part
from moderation.rights import require
from polls.board import board_topic, held, held_open, make_board
from polls.models import Raid
from realtime.log import writer as log
from screening.models import ChannelRules
from videos import alarms
from videos.models import Video
from videos.topics import visible_video, with_viewers
from web.moments import to_ms
from web.refusals import Conflict, NotFound

LEAVES_AFTER = timedelta(seconds=15)


async def viewers_of(video_id: UUID) -> int:
    """Return how many watch the video now, as far as the shared table says."""
    [counted] = await with_viewers([{"topic": f"video:{video_id}", "viewers": {"count": 0, "peak": 0}}])
    return int(counted["viewers"]["count"])


def raid(video_id: UUID, actor: Viewer, target_id: UUID, *, viewers: int) -> dict[str, Any]:
    """Take the viewers to another broadcast, in a moment. The same again changes nothing.

    Raises NotFound, Forbidden (also where the broadcaster is banned), Conflict (`no_target`, `raids_off`, `raid_on`,
    `video_ended`).
    """
    video, target = visible_video(video_id, actor), visible_video(target_id, actor)
    is_target = target.visibility == Video.Visibility.PUBLIC and target.status == Video.Status.LIVE
    if not is_target or target.owner_id == video.owner_id:
        raise Conflict("Choose a public broadcast of another channel that is live.", code="no_target")
    takes_part(target.owner_id, video.owner_id)
    if ChannelRules.objects.filter(owner=target.owner_id, raids_off=True).exists():
        raise Conflict("This channel takes no viewers from others. Choose another one.", code="raids_off")
    require("board", video.owner_id, actor)
    make_board(target, actor)
    with held_open(video_id, actor, board_topic(target_id)) as board:
        known = Raid.objects.filter(video_id=video_id).first()
        if known is not None:
            if known.target_id != target_id:
                raise Conflict("Your viewers are on their way already. Call that off first.", code="raid_on")
            return _raid_json(known)
        if board_topic(target_id) not in board.heads:  # deleted meanwhile
            raise NotFound("There is no such video.")
        now = timezone.now()
        made = Raid.objects.create(
            video_id=video_id,
            target_id=target_id,
            target_title=target.title,
            target_name=target.owner.name,
            name=video.owner.name,
            viewers=viewers,
            at=now,
            leaves_at=now + LEAVES_AFTER,
        )
        log.record(board.head, "raid", {"raid": _raid_json(made)})
        log.record(board.heads[board_topic(target_id)], "raided", {"raided": raided_json(target_id)})
        board.write_down("raid", target_id, target.title)
        return _raid_json(made)


def call_off(video_id: UUID, actor: Viewer) -> None:
    """Call a raid off. Without one, nothing changes. Raises NotFound, Forbidden, Conflict (they have left)."""
    found = Raid.objects.filter(video_id=video_id).first()
    also = [] if found is None else [board_topic(found.target_id)]
    with held(video_id, actor, *also) as board:
        if found is None or not Raid.objects.filter(video_id=video_id, target_id=found.target_id).exists():
            return
        if found.leaves_at <= timezone.now():
            raise Conflict("Your viewers have left already.", code="raid_over")
        _take_away(found, board.heads)
        log.record(board.head, "raid", {"raid": None})


def has_just_come(video_id: UUID) -> bool:
    """Return whether the viewers of another channel come to the video now (videos.alarms). One query."""
    return Raid.objects.filter(target_id=video_id, leaves_at__gt=timezone.now() - alarms.EXPECTED).exists()


def forget(video_id: UUID) -> None:
    """Delete the raid of a video that goes."""
    if (found := Raid.objects.filter(video_id=video_id).first()) is not None:
        with transaction.atomic():
            _take_away(found, log.lock_topics([board_topic(found.target_id)]))


def _take_away(found: Raid, heads: log.LockedHeads) -> None:
    """Delete a raid, and say so on the board where it came, if that is still there."""
    found.delete()
    if (head := heads.get(board_topic(found.target_id))) is not None:
        log.record(head, "raided", {"raided": raided_json(found.target_id)})


def _raid_json(made: Raid) -> dict[str, Any]:
    target = {"id": str(made.target_id), "title": made.target_title, "name": made.target_name}
    return {"to": target, "leaves_at_ms": to_ms(made.leaves_at)}


def raid_json(video_id: UUID) -> dict[str, Any] | None:
    """Return where the viewers of the video are taken. One query."""
    found = Raid.objects.filter(video_id=video_id).first()
    return None if found is None else _raid_json(found)


def raided_json(video_id: UUID) -> dict[str, Any] | None:
    """Return the last raid that has come to the video. One query."""
    found = Raid.objects.filter(target_id=video_id).order_by("-at").first()
    return None if found is None else {"name": found.name, "viewers": found.viewers, "at_ms": to_ms(found.at)}
