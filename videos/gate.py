"""The gate of a channel: while it is closed, only those who were on the site before may comment. It opens by itself.

Hop: closed and opened by moderators (API, page), and by itself when an attack is noticed (videos.alarms).
What newcomers have written just before is taken away in the same transaction, under the locks of the topics. So no
comment slips through between.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from moderation import audit, complaints, rights
from realtime.events import TopicName
from realtime.log import writer as log
from screening.attacks import Attack
from screening.models import ChannelRules, Gate
from videos import listeners, purges
from videos.models import Comment, Video
from videos.purges import Chosen
from web.moments import to_ms
from web.refusals import NotFound
from web.tombstones import deleted_json

logger = logging.getLogger(__name__)

MINUTES = 10
BACK_MINUTES = 5
ROLL_BACK_MAX = 2_000
ATTACK_MARGIN = timedelta(seconds=30)
CAME_MARGIN = timedelta(seconds=1)
"""An id, which says when somebody came, is drawn after `date_joined`: once the first of an attack stayed in."""


def gate_of(owner_id: UUID) -> dict[str, Any] | None:
    """Return the gate, open again or not; None if it was never closed. One query."""
    found = Gate.objects.filter(owner=owner_id).first()
    return None if found is None else _gate_json(found)


def read(owner_id: UUID, actor: Viewer) -> dict[str, Any]:
    """Return `{"gate"}` for the channel's people. Raises Forbidden."""
    rights.require("review", owner_id, actor)
    return {"gate": gate_of(owner_id)}


@transaction.atomic
def close(
    owner_id: UUID, actor: Viewer, *, minutes: int = MINUTES, back_minutes: int = BACK_MINUTES
) -> tuple[dict[str, Any], int]:
    """Close the gate to those who have come to the site within the last `back_minutes` or come later.

    What they have written since is deleted, comments and what is beside (videos.purges). Return the gate, and how many
    comments went. Raises NotFound, Forbidden.
    """
    if not Video.objects.filter(owner=owner_id).exists():
        raise NotFound("There is no such channel.")
    now = timezone.now()
    since = now - timedelta(minutes=back_minutes)
    return _close(owner_id, actor, since=since, began=since, until=now + timedelta(minutes=minutes))


@transaction.atomic
def close_by_itself(owner_id: UUID, attack: Attack) -> None:
    """Close the gate because of an attack, where the channel wants that, and take away what reads like it."""
    if not ChannelRules.objects.filter(owner=owner_id, shield=True).exists():
        return
    until = timezone.now() + timedelta(minutes=MINUTES)
    began = attack.began - ATTACK_MARGIN
    _close(owner_id, None, since=attack.since - CAME_MARGIN, began=began, until=until, is_like=attack.is_like)


@transaction.atomic
def open_again(owner_id: UUID, actor: Viewer) -> None:
    """Open the gate. Raises NotFound (it is open), Forbidden."""
    heads = audit.lock_for("gate", owner_id, actor)
    found = Gate.objects.filter(owner=owner_id, until__gt=timezone.now()).first()
    if found is None:
        raise NotFound("The gate is open.")
    found.until = timezone.now()
    found.save()
    audit.record(heads, owner_id, "gate_opened", actor)
    _tell(heads, found)


def _close(
    owner_id: UUID,
    actor: Viewer | None,
    *,
    since: datetime,
    began: datetime,
    until: datetime,
    is_like: Callable[[str], bool] = lambda body: True,
) -> tuple[dict[str, Any], int]:
    recent = Comment.objects.filter(video__owner=owner_id, created_at__gte=began)
    videos = {*recent.values_list("video_id", flat=True).distinct()}
    videos |= {*Video.objects.filter(owner=owner_id, status=Video.Status.LIVE).values_list("id", flat=True)}
    videos |= {id for each in purges.also for id in each.find(Chosen(owner_id, written_from=began))}
    topics = [*(TopicName(f"video:{video_id}") for video_id in videos), *purges.topics_beside(videos)]
    heads = audit.lock(owner_id, *topics) if actor is None else audit.lock_for("gate", owner_id, actor, *topics)
    known = Gate.objects.filter(owner=owner_id, until__gt=timezone.now()).first()
    if known is not None:
        since, until = min(known.since, since), max(known.until, until)
    gate, _ = Gate.objects.update_or_create(owner_id=owner_id, defaults={"since": since, "until": until})
    if known is None or actor is not None:
        audit.record(heads, owner_id, "gate_closed", actor, until=until)
    _tell(heads, gate)
    chosen = Chosen(owner_id, came_from=since, written_from=began, is_like=is_like)
    written = recent.filter(chosen.texts, video_id__in=videos).order_by("video_id", "seq")
    rows = written.values_list("video_id", "id", "seq", "body")[:ROLL_BACK_MAX]
    gone: dict[UUID, list[tuple[UUID, int]]] = defaultdict(list)
    for video_id, id, seq, body in rows:
        if is_like(body):
            gone[video_id].append((id, seq))
    beside = purges.found_beside(heads, chosen)
    for video_id in sorted({*gone, *(id for _, id, _ in beside)}):
        _roll_back(heads, owner_id, actor, video_id, gone[video_id], [each for each in beside if each[1] == video_id])
    count = sum(map(len, gone.values()))
    logger.info("gate of %s closed by %s until %s, %d comments deleted", owner_id, actor, until, count)
    return _gate_json(gate), count


def _roll_back(
    heads: log.LockedHeads,
    owner_id: UUID,
    actor: Viewer | None,
    video_id: UUID,
    comments: Sequence[tuple[UUID, int]],
    beside: Sequence[purges.Beside],
) -> None:
    gone = {"comment": len(comments), **{each.noun: len(texts) for each, _, texts in beside}}
    said = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in gone.items() if count)
    entry = audit.record(heads, owner_id, "delete", actor, video_id=video_id, text=said, reason="The gate was closed.")
    for each, _, texts in beside:
        each.take_away(heads, texts, entry)
    shown = Comment.objects.filter(id__in=[id for id, _ in comments])
    shown.update(deleted_at=timezone.now(), pinned_at=None, deletion=entry.id)
    listeners.changed([id for id, _ in comments])
    deleted = [{"comment": deleted_json(*row)} for row in comments]
    log.record_all(heads[TopicName(f"video:{video_id}")], "comment_deleted", deleted)
    complaints.settle(heads, owner_id, [id for id, _ in comments], entry)


def _tell(heads: log.LockedHeads, gate: Gate) -> None:
    log.record(heads[audit.topic_of(gate.owner_id)], "gate", {"gate": _gate_json(gate)})


def _gate_json(gate: Gate) -> dict[str, Any]:
    return {"since_ms": to_ms(gate.since), "until_ms": to_ms(gate.until)}


class GatePart:
    """The gate, as a part of the moderators' topic: `gate`."""

    events = frozenset({"gate"})
    takes_back: frozenset[str] = frozenset()

    def load(self, owner_id: UUID) -> dict[str, Any]:
        return {"gate": gate_of(owner_id)}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        snapshot["gate"] = data["gate"]

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return ""
