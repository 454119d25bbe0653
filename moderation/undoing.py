"""Acts taken back: within half a minute, by anybody who may do the act.

Hop: called by the API and the WebSocket commands. Each act says what it changes back (`undoings`); apps above add
theirs. Of two people who take an act back at once one gets a refusal: the conditional update says who was first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from moderation import audit, rights
from moderation.acts import take_back, tell_takers
from moderation.complaints import ReopensComplaints, reopen
from moderation.models import AuditEntry, Restriction
from moderation.representation import entry_json
from moderation.restrictions import current
from moderation.sharing import takers_of
from realtime.events import TopicName
from realtime.log import writer as log
from web.refusals import Conflict, NotFound

UNDO_SECONDS = 30


class Undoing(Protocol):
    """How an act is taken back."""

    def topics(self, entry: AuditEntry) -> Collection[TopicName]:
        """Return the topics in which `carry_out` records something."""
        ...

    def carry_out(self, entry: AuditEntry, heads: log.LockedHeads) -> None:
        """Change it back, in the transaction. The topics are locked. Raises Conflict, NotFound."""
        ...


class LiftsRestriction:
    """A time-out, ban or shadow: lifted, unless something else has taken its place. What was before counts again."""

    def topics(self, entry: AuditEntry) -> Collection[TopicName]:
        return takers_of(entry.channel_id)

    def carry_out(self, entry: AuditEntry, heads: log.LockedHeads) -> None:
        found = current().select_related("replaces", "viewer").filter(id=entry.about).first() if entry.about else None
        if found is None:
            raise NotFound("Nothing keeps this person out.", code="not_restricted")
        now = take_back(found)
        if entry.channel_id is not None:
            reopen(heads, entry.channel_id, entry)
            tell_takers(heads, entry.channel_id, found, now)


undoings: dict[str, Undoing] = {
    **{kind: LiftsRestriction() for kind in Restriction.Kind.values},
    "dismiss": ReopensComplaints(),
}


def can_undo(act: Mapping[str, Any], now_ms: int) -> bool:
    """Return whether an act, as moderators read it, can still be taken back."""
    return act["undone"] is None and act["act"] in undoings and now_ms - act["at_ms"] < UNDO_SECONDS * 1000


@transaction.atomic
def undo(owner_id: UUID, entry_id: UUID, actor: Viewer) -> AuditEntry:
    """Take an act in the channel back. Raises NotFound, Forbidden, Conflict (`too_late`, `undone`, `cannot_undo`)."""
    rights.require("read", owner_id, actor)
    entries = AuditEntry.objects.select_related("actor", "viewer", "undone_by")
    entry = entries.filter(id=entry_id, channel=owner_id).first()
    if entry is None:
        raise NotFound("There is no such act.")
    undoing = undoings.get(entry.act)
    if undoing is None:
        raise Conflict("This act cannot be taken back.", code="cannot_undo")
    heads = audit.lock_for(rights.right_for(entry.act), owner_id, actor, *undoing.topics(entry))
    _claim(entry, actor)
    undoing.carry_out(entry, heads)
    log.record(heads[audit.topic_of(owner_id)], "act_undone", {"act": entry_json(entry)})
    return entry


def _claim(entry: AuditEntry, actor: Viewer) -> None:
    """Raises Conflict."""
    now = timezone.now()
    recent = AuditEntry.objects.filter(id=entry.id, created_at__gte=now - timedelta(seconds=UNDO_SECONDS))
    if not recent.filter(undone_at=None).update(undone_at=now, undone_by=actor):
        if AuditEntry.objects.filter(id=entry.id, undone_at=None).exists():
            raise Conflict(f"It is more than {UNDO_SECONDS} seconds ago.", code="too_late")
        raise Conflict("Somebody has taken this back already.", code="undone")
    entry.undone_at, entry.undone_by = now, actor
