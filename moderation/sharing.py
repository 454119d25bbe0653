"""Shared bans: one channel lets others have its bans, and those that take them keep the same people out.

Both agree: one shares, the other takes. Nothing is copied. The question who is kept out of a channel
(moderation.restrictions) finds the bans of the channels that it takes from, as they are now. So a ban that is lifted
where it was given, and a sharing that ends, are over at once, and a ban of the channel's own stays. What a channel
takes it does not hand on: channels in a circle ban nobody twice.

Nobody is kept out who owns the channel or has a role in it, and nobody that it has let in (`LetIn`).
Called by the acts, the API and the page of the people.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts.models import Viewer
from accounts.representation import person
from moderation import audit, rights
from moderation.models import LetIn, Restriction, Role, SharedBans
from moderation.roles import has_channel
from realtime.events import TopicName
from realtime.log import writer as log
from web.moments import to_ms
from web.refusals import Conflict, Forbidden, NotFound

SHARES_MAX = 20
"""Of the channels that one shares with, and of those that share with one."""

Find = Callable[[str], UUID]
finders: list[Find] = []
"""How a channel is found by what somebody writes. The app above that has handles adds its own."""


def find(name: str) -> UUID:
    """Return the channel with this handle, name, id or address. Raises NotFound, Conflict (several have the name)."""
    if not finders:
        raise NotFound("There is no such channel.")
    return finders[0](name)


def shares_of(owner_id: UUID, actor: Viewer) -> dict[str, list[dict[str, Any]]]:
    """Return with whom a channel shares its bans (`to`), and who shares with it (`by`). Raises Forbidden."""
    rights.require("read", owner_id, actor)
    to = SharedBans.objects.filter(channel=owner_id).select_related("taker").order_by("id")
    by = SharedBans.objects.filter(taker=owner_id).select_related("channel").order_by("id")
    counts = dict(
        _bans()
        .filter(channel__in=[share.channel_id for share in by])
        .values_list("channel")
        .annotate(count=Count("id"))
        .values_list("channel", "count")
    )
    return {
        "to": [_share_json(share, share.taker) for share in to],
        "by": [{**_share_json(share, share.channel), "bans": counts.get(share.channel_id, 0)} for share in by],
    }


def _share_json(share: SharedBans, other: Viewer) -> dict[str, Any]:
    return {"channel": person(other), "effect": share.effect or None, "at_ms": to_ms(share.created_at)}


@transaction.atomic
def share(owner_id: UUID, other_id: UUID, actor: Viewer) -> None:
    """Let another channel take the bans of this one; its log says so. Raises NotFound, Forbidden, Conflict."""
    heads, owner, other = _locked(owner_id, other_id, actor, is_new=True)
    if SharedBans.objects.filter(channel=owner, taker=other).exists():
        return
    for mine in (SharedBans.objects.filter(channel=owner), SharedBans.objects.filter(taker=other)):
        if mine.count() >= SHARES_MAX:
            raise Conflict("Too many channels share their bans here.", code="too_many_shares")
    SharedBans.objects.create(channel=owner, taker=other)
    _write_down(heads, "bans_shared", owner, other, actor)


@transaction.atomic
def stop_sharing(owner_id: UUID, other_id: UUID, actor: Viewer) -> None:
    """Share with the other channel no more: what it has taken is over there. Raises NotFound, Forbidden."""
    heads, owner, other = _locked(owner_id, other_id, actor)
    if not SharedBans.objects.filter(channel=owner, taker=other).delete()[0]:
        raise NotFound("There is no such sharing.")
    _write_down(heads, "bans_unshared", owner, other, actor)


@transaction.atomic
def take(owner_id: UUID, other_id: UUID, actor: Viewer, effect: str) -> None:
    """Keep out of the channel who is banned in the other one, as `effect` says: a ban, or a shadow, under which what
    they write waits for review. "": not any more. Raises NotFound (the other one does not share), Forbidden.
    """
    heads, owner, other = _locked(owner_id, other_id, actor, is_new=bool(effect))
    found = SharedBans.objects.filter(channel=other, taker=owner).first()
    if found is None or found.effect == effect == "":
        raise NotFound("There is no such sharing.")
    if found.effect == effect:
        return
    found.effect = effect
    found.save(update_fields=["effect"])
    if not effect:
        LetIn.objects.filter(share=found).delete()
    _write_down(heads, "bans_taken" if effect else "bans_left", owner, other, actor, effect)


def _locked(
    owner_id: UUID, other_id: UUID, actor: Viewer, *, is_new: bool = False
) -> tuple[log.LockedHeads, Viewer, Viewer]:
    """Lock both channels. `is_new`: both must be channels of today. Raises NotFound, Forbidden."""
    rights.require("share", owner_id, actor)
    if owner_id == other_id:
        raise Forbidden("A channel has its own bans already.", code="yourself")
    found = {viewer.id: viewer for viewer in Viewer.objects.filter(id__in=[owner_id, other_id])}
    if len(found) < 2 or (is_new and not all(map(has_channel, found.values()))):
        raise NotFound("There is no such channel.")
    heads = audit.lock_for("share", owner_id, actor, *_made([other_id]))
    return heads, found[owner_id], found[other_id]


def _made(owner_ids: Collection[UUID]) -> list[TopicName]:
    topics = audit.topics_of(owner_ids)
    log.ensure_topics(topics)
    return topics


def _write_down(
    heads: log.LockedHeads, act: str, owner: Viewer, other: Viewer, actor: Viewer, effect: str = ""
) -> None:
    """Both channels read it, each with the other's name, and what happens to those who are banned."""
    audit.record(heads, owner.id, act, actor, viewer=other, text=effect)
    audit.record(heads, other.id, f"{act}_there", actor, viewer=owner, text=effect)


# Who is kept out by it


def _bans() -> QuerySet[Restriction]:
    """Return the bans that are shared. Not those that guests have by the network of somebody else."""
    kind = Restriction.Kind.BAN
    return Restriction.objects.filter(kind=kind, channel__isnull=False, lifted_at=None, is_of_network=False)


def _taken(owner_id: UUID) -> QuerySet[Restriction]:
    """Return the bans of other channels that keep people out of this one. `moderation.restrictions` has the same as
    SQL, for many viewers.
    """
    shares = SharedBans.objects.filter(taker=owner_id).exclude(effect="")
    let_in = LetIn.objects.filter(share__taker=owner_id, share__channel=OuterRef("channel"), viewer=OuterRef("viewer"))
    roles = Role.objects.filter(channel=owner_id).values("viewer")
    found = _bans().filter(channel__in=shares.values("channel")).exclude(Q(viewer=owner_id) | Q(viewer__in=roles))
    return found.exclude(Exists(let_in)).select_related("viewer", "channel")


def _taken_json(restriction: Restriction, effect: str) -> dict[str, Any]:
    assert restriction.channel is not None
    return {
        "id": str(restriction.id),
        "viewer": person(restriction.viewer),
        "kind": effect,
        "reason": restriction.reason,
        "at_ms": to_ms(restriction.created_at),
        "origin": person(restriction.channel),
    }


def people_of(owner_id: UUID, actor: Viewer, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Return who is kept out by the bans of others, the newest first, and whose ban it is. Raises Forbidden."""
    rights.require("read", owner_id, actor)
    return _json_of(owner_id, _taken(owner_id).filter(**({"id__lt": before} if before else {})).order_by("-id")[:limit])


def of_person(owner_id: UUID, viewer_id: UUID) -> dict[str, Any] | None:
    """Return what keeps the person out by a ban of another channel; a ban before a shadow. Two queries."""
    found = _json_of(owner_id, _taken(owner_id).filter(viewer=viewer_id).order_by("-id"))
    return min(found, key=lambda each: str(each["kind"]), default=None)


def _json_of(owner_id: UUID, restrictions: QuerySet[Restriction]) -> list[dict[str, Any]]:
    effects = dict(SharedBans.objects.filter(taker=owner_id).values_list("channel", "effect"))
    found = [(each, effects.get(each.channel_id or UUID(int=0), "")) for each in restrictions]
    return [_taken_json(restriction, effect) for restriction, effect in found if effect]


def let_in(owner_id: UUID, viewer: Viewer) -> bool:
    """Let somebody into a channel whom the bans of others keep out; return whether they did. The channel is locked."""
    channels = set(_taken(owner_id).filter(viewer=viewer).values_list("channel", flat=True))
    shares = SharedBans.objects.filter(taker=owner_id, channel__in=channels)
    LetIn.objects.bulk_create([LetIn(share=share, viewer=viewer) for share in shares], ignore_conflicts=True)
    return bool(channels)


def let_in_of(owner_id: UUID, actor: Viewer, after: int, limit: int) -> list[dict[str, Any]]:
    """Return whom a channel has let in although it takes the bans of others, the earliest first. Raises Forbidden.

    They are in until the sharing ends, or until somebody takes that back (`let_in_no_more`).
    """
    rights.require("read", owner_id, actor)
    found = LetIn.objects.filter(share__taker=owner_id, id__gt=after).select_related("viewer", "share__channel")
    return [
        {"id": each.id, "viewer": person(each.viewer), "origin": person(each.share.channel)}
        for each in found.order_by("id")[:limit]
    ]


@transaction.atomic
def let_in_no_more(owner_id: UUID, viewer_id: UUID, actor: Viewer) -> None:
    """Let the bans of others count again for somebody who was let in. Raises NotFound, Forbidden."""
    heads = audit.lock_for("lift", owner_id, actor)
    viewer = Viewer.objects.filter(id=viewer_id).first()
    if viewer is None or not LetIn.objects.filter(share__taker=owner_id, viewer=viewer).delete()[0]:
        raise NotFound("Nobody has let this person in.", code="not_let_in")
    audit.record(heads, owner_id, "let_in_no_more", actor, viewer=viewer)


# What the other channels read of a ban


def takers_of(owner_id: UUID | None) -> list[TopicName]:
    """Return the topics of those who take the bans of a channel."""
    if owner_id is None:
        return []
    takers = SharedBans.objects.filter(channel=owner_id).exclude(effect="").values_list("taker", flat=True)
    return _made(list(takers))


def tell(heads: log.LockedHeads, owner_id: UUID, viewer: Viewer, act: str, *, reason: str = "") -> None:
    """Write into the logs of those who take the bans of a channel that it has banned somebody, or let them in.

    They are locked (`takers_of`). It is by the channel, whichever of its moderators did it. Those who have let the
    person in, or have given them a role, read nothing.
    """
    spared = Role.objects.filter(channel=OuterRef("taker"), viewer=viewer)
    let_in = LetIn.objects.filter(share=OuterRef("id"), viewer=viewer)
    shares = SharedBans.objects.filter(channel=owner_id).exclude(Q(effect="") | Q(taker=viewer))
    for share in shares.exclude(Exists(spared) | Exists(let_in)).select_related("channel").order_by("taker"):
        if audit.topic_of(share.taker_id) in heads:
            audit.record(heads, share.taker_id, act, share.channel, viewer=viewer, reason=reason)


def tell_what_counts_again(heads: log.LockedHeads, owner_id: UUID, viewer: Viewer) -> None:
    """Write into the log of a channel which bans of others keep somebody out who had a role there. It is locked."""
    for found in _taken(owner_id).filter(viewer=viewer).order_by("id"):
        audit.record(heads, owner_id, "shared_ban", found.channel, viewer=viewer, reason=found.reason)


# A guest becomes an account


def hand_over(guest: Viewer, account: Viewer) -> None:
    """Of two sharings between the same channels the account's stays. Who has a channel is not let in by themselves."""
    for mine, other in (("channel", "taker"), ("taker", "channel")):
        same = SharedBans.objects.filter(**{mine: account}).values(other)
        rows = SharedBans.objects.filter(**{mine: guest}).exclude(**{f"{other}__in": same})
        rows.exclude(**{other: account}).update(**{mine: account})
    kept = LetIn.objects.filter(viewer=account).values("share")
    LetIn.objects.filter(viewer=guest).exclude(share__in=kept).update(viewer=account)
