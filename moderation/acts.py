"""What moderators do to people: keep them out, let them in again, give and take roles, write notes.

Hop: called by the API, the WebSocket commands, the studio and the admin. Each act is one transaction under the lock of
the channel's topic, so of two moderators who act at once the second one sees what the first has done.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from moderation import arrivals, audit, complaints, rights, sharing
from moderation.models import AuditEntry, PersonNote, Restriction, Role
from moderation.representation import role_json
from moderation.restrictions import begin, begin_again, current, end
from moderation.roles import Rank, has_channel
from realtime.events import TopicName
from realtime.log import writer as log
from web.refusals import Conflict, Forbidden, Invalid, NotFound
from web.text import clean_body

logger = logging.getLogger(__name__)

SECONDS_MIN = 10
"""Of a time-out."""

Restricted = tuple[Restriction, AuditEntry]


class Marks(Protocol):
    """What shows the mark of a moderator beside a name. Apps above add theirs."""

    def topics(self, owner_id: UUID, viewer_id: UUID) -> Collection[TopicName]:
        """Return the topics in which `publish` records something."""
        ...

    def publish(self, owner_id: UUID, viewer: Viewer, heads: log.LockedHeads) -> None:
        """Say that the mark has changed, in the transaction. The topics are locked."""
        ...


marks: list[Marks] = []


@transaction.atomic
def restrict(
    owner_id: UUID | None,
    viewer_id: UUID,
    actor: Viewer,
    *,
    kind: str,
    seconds: int | None = None,
    reason: str = "",
    network_hours: int = 0,
) -> Restricted:
    """Keep a viewer out of the channel, or (without an owner) out of the site. It takes the place of what was before.

    `kind` is of Restriction.Kind. Guests with the viewer's browser are kept out too; with `network_hours`, for that
    time, also new guests from the viewer's networks. Raises NotFound, Forbidden, Invalid.
    """
    reason = audit.clean_reason(reason)
    heads = _locked(owner_id, kind, actor, *_takers(owner_id, kind, viewer_id))
    viewer = _locked_viewer(viewer_id)
    rank = rights.require_over(kind, owner_id, actor, viewer)
    _check_length(kind, seconds, rank)
    if network_hours and kind == Restriction.Kind.TIME_OUT:
        raise Invalid("A time-out is for one person, not for their network.")
    before = _current(owner_id, viewer)
    if not viewer.is_active and not before:
        raise NotFound("There is no such person.")
    now = timezone.now()
    until = now + timedelta(seconds=seconds) if seconds is not None else None
    if before and rank not in rights.MAY["lift"] and not (before.until and until and before.until <= until):
        raise Forbidden("They are kept out for longer already.", code="kept_longer")
    made = Restriction(channel_id=owner_id, viewer=viewer, kind=kind, until=until, reason=reason, given_by=actor)
    made.network_until = now + timedelta(hours=network_hours) if network_hours else None
    begin(made)
    arrivals.extend(made)
    entry = audit.record(heads, owner_id, kind, actor, viewer=viewer, about=made.id, reason=reason, until=until)
    if owner_id is not None:
        complaints.settle(heads, owner_id, [viewer_id], entry)
        tell_takers(heads, owner_id, before, made)
    logger.info("%s of %s in %s by %s", kind, viewer_id, owner_id or "the site", actor.id)
    return made, entry


@transaction.atomic
def lift(owner_id: UUID | None, viewer_id: UUID, actor: Viewer, *, reason: str = "") -> AuditEntry:
    """Let a viewer take part again. Raises NotFound (nothing keeps them out), Forbidden, Invalid."""
    reason = audit.clean_reason(reason)
    heads = _locked(owner_id, "lift", actor, *sharing.takers_of(owner_id))
    viewer = _locked_viewer(viewer_id)
    found = _current(owner_id, viewer)
    is_let_in = owner_id is not None and sharing.let_in(owner_id, viewer)
    if found is None and not is_let_in:
        raise NotFound("Nothing keeps this person out.", code="not_restricted")
    if found is not None:
        end(found)
        if owner_id is not None:
            tell_takers(heads, owner_id, found, None)
    return audit.record(heads, owner_id, "lift", actor, viewer=viewer, reason=reason)


def take_back(restriction: Restriction) -> Restriction | None:
    """Lift what keeps a viewer out; return what it took the place of, if that counts again. The channel is locked."""
    end(restriction)
    before = restriction.replaces
    if before and before.viewer_id == restriction.viewer_id and begin_again(before):
        arrivals.extend(before)
        return before
    return None


def tell_takers(heads: log.LockedHeads, owner_id: UUID, before: Restriction | None, now: Restriction | None) -> None:
    """Say to the channels that take the bans of this one that somebody is banned, or is not any more."""
    ban = Restriction.Kind.BAN
    was, is_now = before is not None and before.kind == ban, now is not None and now.kind == ban
    if now is not None and is_now and not was:
        sharing.tell(heads, owner_id, now.viewer, "shared_ban", reason=now.reason)
    elif before is not None and was and not is_now:
        sharing.tell(heads, owner_id, before.viewer, "shared_lift")


def _takers(owner_id: UUID | None, kind: str, viewer_id: UUID) -> list[TopicName]:
    """Return the topics that `tell_takers` needs: of nobody, if there is no ban to speak of."""
    bans = current().filter(channel=owner_id, viewer=viewer_id, kind=Restriction.Kind.BAN)
    return sharing.takers_of(owner_id) if kind == Restriction.Kind.BAN or bans.exists() else []


def _current(owner_id: UUID | None, viewer: Viewer) -> Restriction | None:
    return current().filter(channel=owner_id, viewer=viewer).first()


def _check_length(kind: str, seconds: int | None, rank: Rank) -> None:
    """Raises Forbidden, Invalid."""
    if kind != Restriction.Kind.TIME_OUT:
        if seconds is not None:
            raise Invalid("Only a time-out has seconds.")
        return
    if seconds is None or not SECONDS_MIN <= seconds <= rights.SECONDS_MAX:
        raise Invalid(f"A time-out lasts {SECONDS_MIN} seconds to {rights.SECONDS_MAX // 86_400} days.")
    if seconds > rights.seconds_max(rank):
        raise Forbidden("A helper gives time-outs of an hour at most.", code="too_long")


@transaction.atomic
def give_role(owner_id: UUID, viewer_id: UUID, actor: Viewer, kind: str) -> Role:
    """Make an account a moderator or helper of a channel. Raises NotFound, Forbidden, Conflict (`kept_out`).

    Who is kept out of the channel must be let in first, so that no ban ends without an act that says so.
    """
    heads, viewer = _locked_with_marks(owner_id, viewer_id, actor)
    if not has_channel(Viewer.objects.get(id=owner_id)):
        raise Forbidden("This is the channel of no broadcaster. Nobody needs a role there.", code="no_channel")
    if viewer.is_guest:
        raise Forbidden("A guest cannot have a role. They need an account first.", code="guest")
    if _current(owner_id, viewer):
        raise Conflict("They are kept out of this channel. Let them in first.", code="kept_out")
    role, _ = Role.objects.update_or_create(channel_id=owner_id, viewer=viewer, defaults={"kind": kind})
    complaints.leave_to_site(heads, owner_id, viewer)
    _publish_role(heads, owner_id, role, actor)
    return role


@transaction.atomic
def take_role(owner_id: UUID, viewer_id: UUID, actor: Viewer) -> None:
    """Take a role away. Raises NotFound, Forbidden. You can give up your own role."""
    heads, viewer = _locked_with_marks(owner_id, viewer_id, actor, act="read" if viewer_id == actor.id else "role")
    role = Role.objects.filter(channel=owner_id, viewer=viewer).first()
    if role is None:
        raise NotFound("This person has no role here.")
    role.delete()
    role.viewer, role.kind = viewer, ""
    _publish_role(heads, owner_id, role, actor)
    sharing.tell_what_counts_again(heads, owner_id, viewer)


def _locked_with_marks(
    owner_id: UUID, viewer_id: UUID, actor: Viewer, *, act: str = "role"
) -> tuple[log.LockedHeads, Viewer]:
    """Lock a channel and all that shows the viewer's mark there. Raises NotFound, Forbidden."""
    heads = _locked(owner_id, act, actor, *(topic for kept in marks for topic in kept.topics(owner_id, viewer_id)))
    viewer = _locked_viewer(viewer_id)
    if viewer.id == owner_id:
        raise Forbidden("The broadcaster needs no role in their own channel.", code="yourself")
    return heads, viewer


def _publish_role(heads: log.LockedHeads, owner_id: UUID, role: Role, actor: Viewer) -> None:
    for kept in marks:
        kept.publish(owner_id, role.viewer, heads)
    log.record(heads[audit.topic_of(owner_id)], "role", {"role": role_json(role)})
    audit.record(heads, owner_id, "role", actor, viewer=role.viewer, text=role.kind)


@transaction.atomic
def write_note(owner_id: UUID, viewer_id: UUID, actor: Viewer, body: str) -> PersonNote:
    """Keep a note on a person, for the moderators of the channel. Raises NotFound, Forbidden, Invalid."""
    body = clean_body(body, what="note")
    heads = _locked(owner_id, "note", actor)
    viewer = _locked_viewer(viewer_id)
    note = PersonNote.objects.create(channel_id=owner_id, viewer=viewer, author=actor, body=body)
    audit.record(heads, owner_id, "note", actor, viewer=viewer, about=note.id)
    return note


def _locked(owner_id: UUID | None, act: str, actor: Viewer, *topics: TopicName) -> log.LockedHeads:
    """Lock a channel for somebody who may do the act there, and other topics. Raises NotFound, Forbidden."""
    if owner_id is None:
        rights.require(act, None, actor)
        return {}
    if not Viewer.objects.filter(id=owner_id, is_active=True).exists():
        raise NotFound("There is no such channel.")
    return audit.lock_for(act, owner_id, actor, *topics)


def _locked_viewer(viewer_id: UUID) -> Viewer:
    """Return a viewer, locked. Their key can still be referred to. Raises NotFound."""
    viewer = Viewer.objects.select_for_update(no_key=True).filter(id=viewer_id).first()
    if viewer is None:
        raise NotFound("There is no such person.")
    return viewer
