"""What moderation keeps for a viewer: handed on when a guest becomes an account, taken away with an account.

Hop: beside the path, called by accounts.merging (with all topics locked) and accounts.removal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.belongings import Belongings
from accounts.models import Viewer
from accounts.representation import person
from moderation import audit, complaints, sharing
from moderation.models import AuditEntry, Complaint, LetIn, PersonNote, Restriction, Role, SharedBans
from moderation.representation import role_json
from realtime.events import TopicName
from realtime.log import writer as log
from realtime.log.retention import delete_topics, empty_topics

ENTRIES_MAX = 1_000  # of one transaction


def _of(viewer_id: UUID) -> Q:
    return Q(viewer=viewer_id) | Q(actor=viewer_id) | Q(undone_by=viewer_id)


def _channels_of(viewer_id: UUID) -> set[UUID]:
    """Return the channels whose log names the viewer."""
    found = AuditEntry.objects.filter(_of(viewer_id), channel__isnull=False)
    return set(found.values_list("channel_id", flat=True))


class ModerationOfGuest(Belongings):
    """Roles, restrictions, notes and complaints. What a guest has because of the network of somebody else ends."""

    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        channels = {*Role.objects.filter(viewer=guest_id).values_list("channel_id", flat=True), *_channels_of(guest_id)}
        channels |= set(complaints.named_by(guest_id).values_list("channel_id", flat=True))
        if guest_id in channels or Role.objects.filter(channel=guest_id).exists():
            channels.add(account_id)
        topics = audit.topics_of(channels)
        log.ensure_topics(topics)
        return topics

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        self._hand_over_roles(guest, account, heads)
        self._hand_over_restrictions(guest, account)
        sharing.hand_over(guest, account)
        complaints.hand_over(guest, account, heads)
        PersonNote.objects.filter(viewer=guest).update(viewer=account)
        PersonNote.objects.filter(author=guest).update(author=account)
        PersonNote.objects.filter(channel=guest).update(channel=account)
        channels = _channels_of(guest.id)
        for name in ("viewer", "actor", "undone_by"):
            AuditEntry.objects.filter(**{name: guest}).update(**{name: account})
        _publish_person(heads, channels, guest.id, account)

    @staticmethod
    def _hand_over_roles(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        """Of two roles in one channel the account's stays."""
        for role in Role.objects.filter(Q(viewer=guest) | Q(channel=guest)).select_related("viewer"):
            if role.viewer_id == guest.id:
                log.record(heads[audit.topic_of(role.channel_id)], "role", {"role": {**role_json(role), "role": ""}})
            channel_id = account.id if role.channel_id == guest.id else role.channel_id
            viewer = account if role.viewer_id == guest.id else role.viewer
            kept = channel_id != viewer.id and not Role.objects.filter(channel=channel_id, viewer=viewer).exists()
            if not kept:
                role.delete()
                continue
            role.channel_id, role.viewer = channel_id, viewer
            role.save()
            log.record(heads[audit.topic_of(channel_id)], "role", {"role": role_json(role)})

    @staticmethod
    def _hand_over_restrictions(guest: Viewer, account: Viewer) -> None:
        """A banned guest stays banned as an account, but where the account moderates."""
        free = Q(channel=account) | Q(channel__in=Role.objects.filter(viewer=account).values("channel"))
        own = Restriction.objects.filter(viewer=guest, lifted_at=None, is_of_network=False).exclude(free)
        for restriction in own:
            if not Restriction.objects.filter(viewer=account, channel=restriction.channel_id, lifted_at=None).exists():
                Restriction.objects.filter(id=restriction.id).update(viewer=account)
        for given in Restriction.objects.filter(channel=guest, lifted_at=None).exclude(viewer=account):
            if not Restriction.objects.filter(viewer=given.viewer_id, channel=account, lifted_at=None).exists():
                Restriction.objects.filter(id=given.id).update(channel=account)


class ModerationOfViewer(Belongings):
    """The log stays, without the person: neither a name nor a word of theirs."""

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        _erase_person(viewer_id)
        complaints.forget(complaints.named_by(viewer_id).exclude(channel=viewer_id))
        for model in (Complaint, PersonNote, Restriction):
            model._default_manager.filter(Q(viewer=viewer_id) | Q(channel=viewer_id)).delete()
        SharedBans.objects.filter(Q(channel=viewer_id) | Q(taker=viewer_id)).delete()
        LetIn.objects.filter(viewer=viewer_id).delete()
        entries = AuditEntry.objects.filter(channel=viewer_id)
        while ids := list(entries.values_list("id", flat=True)[:ENTRIES_MAX]):
            AuditEntry.objects.filter(id__in=ids).delete()
        topics = [audit.topic_of(viewer_id)]
        empty_topics(topics)
        delete_topics(topics)

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        """Not a shadow: the viewer does not learn of it."""
        kept_out = Restriction.objects.filter(viewer_id=viewer_id).exclude(kind=Restriction.Kind.SHADOW).order_by("id")
        acts = AuditEntry.objects.filter(actor_id=viewer_id).order_by("id")
        reported = Complaint.objects.filter(reporter_id=viewer_id).order_by("id")
        return {
            "roles": Role.objects.filter(viewer_id=viewer_id).values("channel_id", "kind", "created_at"),
            "restrictions": kept_out.values("channel_id", "kind", "reason", "created_at", "until", "lifted_at"),
            "shared_bans": SharedBans.objects.filter(Q(channel=viewer_id) | Q(taker=viewer_id)).values(
                "channel_id", "taker_id", "effect", "created_at"
            ),
            "reported": reported.values(
                "channel_id", "kind", "about", "video_id", "text", "reason", "remark", "created_at"
            ).iterator(),
            "acts_of_moderation": acts.values("channel_id", "act", "about", "reason", "created_at").iterator(),
            "notes": PersonNote.objects.filter(author_id=viewer_id)
            .values("channel_id", "body", "created_at")
            .iterator(),
        }

    def are_left(self, viewer_id: UUID) -> bool:
        entries = AuditEntry.objects.filter(_of(viewer_id) | Q(channel=viewer_id))
        return entries.exists() or complaints.named_by(viewer_id).exists()


@transaction.atomic
def _erase_person(viewer_id: UUID) -> None:
    roles = Role.objects.filter(viewer=viewer_id).select_related("viewer")
    channels = _channels_of(viewer_id) - {viewer_id}
    heads = audit.lock_all({*channels, *(role.channel_id for role in roles)})
    for role in roles:
        log.record(heads[audit.topic_of(role.channel_id)], "role", {"role": {**role_json(role), "role": ""}})
    roles.delete()
    AuditEntry.objects.filter(viewer=viewer_id).update(viewer=None, text="")
    AuditEntry.objects.filter(actor=viewer_id).update(actor=None)
    AuditEntry.objects.filter(undone_by=viewer_id).update(undone_by=None)
    _publish_person(heads, channels, viewer_id, None)


def _publish_person(heads: log.LockedHeads, channels: Collection[UUID], former_id: UUID, now: Viewer | None) -> None:
    """Say in the channels that a person is another account now, or none."""
    data = {"person": {"from": str(former_id), "to": person(now) if now is not None else None}}
    topics = [topic for channel_id in sorted(channels) if (topic := audit.topic_of(channel_id)) in heads]
    if topics:
        log.record_many(heads, [(topic, "person", data) for topic in topics])
