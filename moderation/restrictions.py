"""Whether somebody may take part in a channel now: time-outs, bans and shadows, of the channel and of the whole site.

Called by the group commit of likes and comments for all people of a batch, and by acts that no row is kept of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Viewer
from moderation.models import Restriction
from web.refusals import Forbidden
from web.statements import rows

RestrictionRow = tuple[UUID | None, str, datetime | None, str]
"""The channel (None: the whole site), the kind, its end and the reason."""

RESTRICTIONS_OF = """
WITH own AS (
  SELECT viewer_id, channel_id, kind, until, reason, is_of_network FROM moderation_restriction
  WHERE viewer_id = ANY(%s) AND lifted_at IS NULL AND (until IS NULL OR until > now())
)
SELECT viewer_id, channel_id, kind, until, reason FROM own
UNION ALL
SELECT own.viewer_id, s.taker_id, s.effect, NULL, own.reason
FROM own JOIN moderation_sharedbans s ON s.channel_id = own.channel_id
WHERE own.kind = 'ban' AND NOT own.is_of_network AND s.effect <> '' AND s.taker_id <> own.viewer_id
  AND NOT EXISTS (SELECT FROM moderation_role r WHERE r.channel_id = s.taker_id AND r.viewer_id = own.viewer_id)
  AND NOT EXISTS (SELECT FROM moderation_letin l WHERE l.share_id = s.id AND l.viewer_id = own.viewer_id)
"""
"""All restrictions of many viewers, for a group commit: of each channel its own, and the bans that it takes from others
(moderation.sharing)."""


def by_viewer(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, list[RestrictionRow]]:
    """Return the answer to `RESTRICTIONS_OF` by viewer."""
    found: dict[UUID, list[RestrictionRow]] = {}
    for row in rows:
        found.setdefault(row["viewer_id"], []).append((row["channel_id"], row["kind"], row["until"], row["reason"]))
    return found


def check(owner_id: UUID | None, found: Iterable[RestrictionRow]) -> bool:
    """Return whether others see what the viewer does in the channel. Not so under a shadow: the viewer does not learn
    of it. Raises Forbidden for a time-out or a ban.
    """
    here = {kind: (until, reason) for channel, kind, until, reason in found if channel in (None, owner_id)}
    if Restriction.Kind.BAN in here:
        raise Forbidden(_because("You are banned here.", here[Restriction.Kind.BAN][1]), code="banned")
    if Restriction.Kind.TIME_OUT in here:
        until, reason = here[Restriction.Kind.TIME_OUT]
        assert until is not None
        seconds = max(1, round((until - timezone.now()).total_seconds()))
        raise Forbidden(_because(f"You can take part again in {_lasts(seconds)}.", reason), code="timed_out")
    return Restriction.Kind.SHADOW not in here


def takes_part(owner_id: UUID | None, viewer_id: UUID) -> bool:
    """Do what `check` does, for one viewer; without an owner: outside all channels. One query. Raises Forbidden."""
    return check(owner_id, [row[1:] for row in rows(RESTRICTIONS_OF, [[viewer_id]])])


def current() -> QuerySet[Restriction]:
    """Return the restrictions that count now, where they were given."""
    return Restriction.objects.filter(Q(until=None) | Q(until__gt=timezone.now()), lifted_at=None)


def begin(restriction: Restriction) -> None:
    """Write a restriction in place of what there was, inside a transaction that has locked the viewer.

    An account that is banned from the site is inactive: its sessions, tokens, tickets and streams end.
    """
    same = Restriction.objects.filter(channel=restriction.channel_id, viewer=restriction.viewer_id, lifted_at=None)
    for before in same:
        end(before)
        restriction.replaces = before
    restriction.save(force_insert=True)
    if _shuts_out(restriction):
        Viewer.objects.filter(id=restriction.viewer_id).update(is_active=False)


def end(restriction: Restriction) -> None:
    """Lift a restriction, and those that guests have because of it."""
    alike = Restriction.objects.filter(Q(id=restriction.id) | Q(source=restriction.id), lifted_at=None)
    if _shuts_out(restriction):
        Viewer.objects.filter(id__in=list(alike.values_list("viewer_id", flat=True))).update(is_active=True)
    alike.update(lifted_at=timezone.now())


def begin_again(restriction: Restriction) -> bool:
    """Let what another restriction took the place of count again, if it has not ended. Returns whether it does."""
    found = Restriction.objects.filter(Q(until=None) | Q(until__gt=timezone.now()), id=restriction.id)
    if not found.update(lifted_at=None):
        return False
    if _shuts_out(restriction):
        Viewer.objects.filter(id=restriction.viewer_id).update(is_active=False)
    return True


def _shuts_out(restriction: Restriction) -> bool:
    return restriction.channel_id is None and restriction.kind == Restriction.Kind.BAN


def _because(what: str, reason: str) -> str:
    return f"{what} The reason: {reason}" if reason else what


def _lasts(seconds: int) -> str:
    for length, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds > 2 * length:
            return f"{-(-seconds // length)} {unit}"
    return f"{seconds} seconds"
