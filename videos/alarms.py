"""The alarm of a channel: its moderators hear that an attack is noticed, and in numbers, why.

Hop: `look` is called by videos.likes for each comment that was stored. screening.attacks says what is an attack; the
gate closes by itself where the channel wants that (videos.gate). A crowd that is expected raises no alarm by its
number: at the start of a broadcast, and when another channel sends its viewers (`expected`).
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from moderation import audit
from realtime.log import writer as log
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from screening import attacks
from screening.attacks import Attack, AttackKind, Recent
from screening.models import Alarm, Gate
from videos import gate
from videos.changes import AddComment
from videos.models import Video
from web.moments import to_ms

logger = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(seconds=20)
"""So long after one alarm there is no other in the channel, from any node."""
EXPECTED = timedelta(minutes=5)
"""After the start of a broadcast: so long people come in crowds."""
RECENT_MAX = 500

expected: list[Callable[[UUID], bool]] = []
"""Whether a crowd is expected at a video now, besides at its start. Apps above add theirs."""

_RECENT = f"""
SELECT c.author_id, a.date_joined, c.created_at, coalesce(n.network, '')
FROM (
  SELECT author_id, created_at FROM videos_comment
  WHERE video_id = %(video)s AND created_at > now() - %(window)s AND deleted_at IS NULL
  ORDER BY created_at DESC LIMIT {RECENT_MAX}
) AS c
JOIN accounts_viewer a ON a.id = c.author_id
LEFT JOIN LATERAL (
  SELECT network FROM moderation_arrival WHERE viewer_id = c.author_id ORDER BY seen_at DESC LIMIT 1
) AS n ON c.created_at - a.date_joined <= %(just_came)s
"""
_BEFORE = """
SELECT count(*) FROM videos_comment c JOIN accounts_viewer a ON a.id = c.author_id
WHERE c.video_id = %(video)s AND c.created_at > now() - %(window)s - %(before)s AND c.created_at <= now() - %(window)s
  AND c.created_at - a.date_joined <= %(just_came)s
"""


async def look(command: AddComment) -> None:
    """Look whether a comment belongs to an attack, and raise the alarm. The comment is stored, whatever comes of it.

    In memory, but for those who have just come: then one query, twice a second at most for each video and node.
    """
    video_id, author_id = command.video_id, command.who.id
    attack = attacks.watch.seen(video_id, author_id, command.body, command.at_ms)
    is_to_look = attacks.watch.is_to_look(video_id, author_id, command.at_ms)
    with contextlib.suppress(StoreUnavailable):
        if attack is None and is_to_look:
            attack = await backend_threads.run(_crowd_at, video_id)
        if attack is not None:
            await backend_threads.run(_act, video_id, attack)


def _crowd_at(video_id: UUID) -> Attack | None:
    """Return the crowd that attacks the video now. One query, three more if there may be one."""
    values: dict[str, Any] = {
        "video": video_id,
        "window": attacks.WINDOW,
        "before": attacks.BEFORE,
        "just_came": attacks.JUST_CAME,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, values)
        attack = attacks.crowd_in([Recent(*row) for row in cursor.fetchall()])
        if attack is None or _is_expected(video_id):
            return None
        cursor.execute(_BEFORE, values)
        [before] = cursor.fetchone() or [0]
    return attack if attacks.is_far_above(attack, before) else None


def _is_expected(video_id: UUID) -> bool:
    since = timezone.now() - EXPECTED
    has_stood = Video.objects.filter(id=video_id, started_at__lt=since).exists()
    return not has_stood or any(is_expected(video_id) for is_expected in expected)


def _act(video_id: UUID, attack: Attack) -> None:
    owner_id = Video.objects.filter(id=video_id).values_list("owner_id", flat=True).first()
    if owner_id is not None:
        _raise(owner_id, video_id, attack)
        gate.close_by_itself(owner_id, attack)


@transaction.atomic
def _raise(owner_id: UUID, video_id: UUID, attack: Attack) -> None:
    """Raise the alarm: not while the gate is closed, nor just after another."""
    if _is_known(owner_id):
        return
    heads = audit.lock(owner_id)
    if _is_known(owner_id):  # another node was faster
        return
    now = timezone.now()
    numbers = {
        "video_id": video_id,
        "kind": attack.kind,
        "people": attack.people,
        "addresses": attack.addresses,
        "comments": attack.comments,
        "seconds": max(1, math.ceil((now - attack.began).total_seconds())),
        "at": now,
    }
    alarm, _ = Alarm.objects.update_or_create(owner_id=owner_id, defaults=numbers)
    log.record(heads[audit.topic_of(owner_id)], "alarm", {"alarm": _alarm_json(alarm)})
    logger.warning("alarm in %s: %s, %d people, %d comments", owner_id, attack.kind, attack.people, attack.comments)


def _is_known(owner_id: UUID) -> bool:
    now = timezone.now()
    if Alarm.objects.filter(owner=owner_id, at__gt=now - AGAIN_AFTER).exists():
        return True
    return Gate.objects.filter(owner=owner_id, until__gt=now).exists()


def alarm_of(owner_id: UUID) -> dict[str, Any] | None:
    """Return the channel's last alarm, however old; None: there was none. One query."""
    found = Alarm.objects.filter(owner=owner_id).first()
    return None if found is None else _alarm_json(found)


def _alarm_json(alarm: Alarm) -> dict[str, Any]:
    return {
        "kind": AttackKind(alarm.kind),
        "video_id": str(alarm.video_id),
        "people": alarm.people,
        "addresses": alarm.addresses,
        "comments": alarm.comments,
        "seconds": alarm.seconds,
        "at_ms": to_ms(alarm.at),
    }


class AlarmPart:
    """The last alarm, as a part of the moderators' topic: `alarm`."""

    events = frozenset({"alarm"})
    takes_back: frozenset[str] = frozenset()

    def load(self, owner_id: UUID) -> dict[str, Any]:
        return {"alarm": alarm_of(owner_id)}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        snapshot["alarm"] = data["alarm"]

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return ""
