"""What viewers report to the moderators of a channel, who look at it, and act or dismiss it.

Hop: reports come from the API and the WebSocket commands, those of comments by videos.moderation, those of
questions by polls.questions. The acts on what was
reported call `settle` and `reopen` in their transaction. All of it happens under the lock of the channel's topic, in
which the moderators see what is reported (`ReportedPart`). Nobody reads a complaint about themselves: one about
somebody who moderates the channel is for the people of the site.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from accounts.models import Viewer
from moderation import audit, rights
from moderation.models import REPORTED_TEXT_MAX, AuditEntry, Complaint
from moderation.representation import reported_json
from moderation.restrictions import takes_part
from moderation.roles import Rank, role_in
from realtime.events import TopicName
from realtime.log import writer as log
from web.refusals import Conflict, Forbidden, NotFound

logger = logging.getLogger(__name__)

REPORTED_MAX = 100  # things of one channel at the same time
OPEN_MAX = 20  # of one viewer in one channel
SHOWN_MAX = 5  # complaints about one thing, the newest
KEPT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Reported:
    """What a complaint is about. `about`: as Complaint has it."""

    kind: Complaint.Kind
    about: UUID
    viewer: Viewer
    video_id: UUID | None = None
    text: str = ""


@transaction.atomic
def report_person(owner_id: UUID, viewer_id: UUID, reporter: Viewer, *, reason: str, remark: str = "") -> None:
    """Report a person to the moderators of a channel. Raises NotFound, Forbidden, Conflict."""
    if not Viewer.objects.filter(id=owner_id, is_active=True).exists():
        raise NotFound("There is no such channel.")
    viewer = Viewer.objects.filter(id=viewer_id, is_active=True).first()
    if viewer is None:
        raise NotFound("There is no such person.")
    reported = Reported(Complaint.Kind.PERSON, viewer.id, viewer)
    add(audit.lock(owner_id), owner_id, reporter, reported, reason=reason, remark=remark)


def add(
    heads: log.LockedHeads, owner_id: UUID, reporter: Viewer, reported: Reported, *, reason: str, remark: str
) -> None:
    """Write down a complaint. The second one of a viewer about the same thing changes nothing.

    Raises Forbidden (they are kept out, or it is their own), Conflict (`queue_full`).
    """
    if reported.viewer.id == reporter.id:
        raise Forbidden("You cannot report yourself.", code="yourself")
    if not takes_part(owner_id, reporter.id):
        return  # under a shadow, of which they do not learn
    mine = Complaint.objects.filter(channel=owner_id, reporter=reporter)
    if mine.filter(about=reported.about).exists():
        return
    if mine.filter(settled_at=None).count() >= OPEN_MAX or _is_full(owner_id, reported.about):
        raise Conflict("Too many reports wait for the moderators. Try again later.", code="queue_full")
    made = Complaint.objects.create(
        channel_id=owner_id,
        kind=reported.kind,
        about=reported.about,
        video_id=reported.video_id,
        viewer=reported.viewer,
        text=reported.text[:REPORTED_TEXT_MAX],
        reporter=reporter,
        reason=reason,
        remark=remark,
        is_for_site=role_in(owner_id, reported.viewer) > Rank.VIEWER,
    )
    if not made.is_for_site:
        _publish(heads, owner_id, {reported.about})
    logger.info("%s %s in %s reported by %s", reported.kind, reported.about, owner_id, reporter.id)


def _is_full(owner_id: UUID, about: UUID) -> bool:
    """Return whether so much waits in the channel that nothing else is added."""
    others = _open(owner_id).exclude(about=about).values("about").distinct()
    return others.count() >= REPORTED_MAX


def _open(owner_id: UUID, *, is_for_site: bool = False) -> QuerySet[Complaint]:
    return Complaint.objects.filter(channel=owner_id, settled_at=None, is_for_site=is_for_site)


def reported_in(owner_id: UUID, actor: Viewer) -> list[dict[str, Any]]:
    """Return what is reported in a channel, the newest first. Raises Forbidden."""
    rights.require("read", owner_id, actor)
    return _grouped(_open(owner_id))


def _grouped(open_ones: QuerySet[Complaint]) -> list[dict[str, Any]]:
    """Return what open complaints are about, the newest first. Two queries."""
    reasons: dict[UUID, dict[str, int]] = {}
    counted = open_ones.values("about", "reason").annotate(count=Count("id")).order_by("about", "reason")
    for about, reason, count in counted.values_list("about", "reason", "count"):
        reasons.setdefault(about, {})[reason] = count
    place = Window(RowNumber(), partition_by="about", order_by="-id")
    newest = open_ones.select_related("viewer", "reporter").annotate(place=place).filter(place__lte=SHOWN_MAX)
    found: dict[UUID, list[Complaint]] = {}
    for complaint in newest.order_by("-id"):
        found.setdefault(complaint.about, []).append(complaint)
    return [reported_json(complaints, reasons[about]) for about, complaints in found.items()]


def _publish(heads: log.LockedHeads, owner_id: UUID, abouts: Collection[UUID]) -> None:
    """Say what is reported now of these things."""
    topic = audit.topic_of(owner_id)
    if topic not in heads or not abouts:
        return
    shown = {found["id"]: found for found in _grouped(_open(owner_id).filter(about__in=abouts))}
    ids = sorted(str(about) for about in abouts)
    changes: list[tuple[TopicName, str, Mapping[str, Any]]] = [
        (topic, "reported", {"reported": shown[id]})
        if id in shown
        else (topic, "reported_settled", {"reported": {"id": id}})
        for id in ids
    ]
    log.record_many(heads, changes)


# What becomes of it


@transaction.atomic
def dismiss(owner_id: UUID, about: UUID, actor: Viewer, *, is_for_site: bool = False) -> AuditEntry:
    """Settle the complaints about a thing, which stays as it is. Raises NotFound, Forbidden."""
    acts_in = None if is_for_site else owner_id
    heads = audit.lock_for("dismiss", owner_id, actor, as_site=is_for_site)
    rows = _open(owner_id, is_for_site=is_for_site).filter(about=about)
    newest = rows.select_related("viewer").order_by("-id").first()
    if newest is None:
        raise NotFound("Nothing about this waits. Perhaps another moderator has decided.")
    entry = audit.record(
        heads, acts_in, "dismiss", actor, viewer=newest.viewer, about=about, video_id=newest.video_id, text=newest.text
    )
    rows.update(settled_at=timezone.now(), settlement=entry.id)
    _publish(heads, owner_id, {about})
    return entry


def settle(heads: log.LockedHeads, owner_id: UUID, abouts: Collection[UUID], act: AuditEntry | None) -> None:
    """Settle all complaints about things that an act has dealt with. One query, three more if there are any."""
    rows = Complaint.objects.filter(channel=owner_id, about__in=abouts)
    found = list(rows)
    if found:
        rows.update(settled_at=timezone.now(), settlement=act.id if act is not None else None)
        _publish(heads, owner_id, {each.about for each in found if each.settled_at is None and not each.is_for_site})


def reopen(heads: log.LockedHeads, owner_id: UUID, act: AuditEntry) -> int:
    """Open again what an act has settled, because it is taken back. Return how many complaints."""
    rows = Complaint.objects.filter(channel=owner_id, settlement=act.id)
    abouts = set(rows.filter(is_for_site=False).values_list("about", flat=True))
    opened = rows.update(settled_at=None, settlement=None)
    _publish(heads, owner_id, abouts)
    return opened


class ReopensComplaints:
    """A dismissal: what was reported waits again."""

    def topics(self, entry: AuditEntry) -> Collection[TopicName]:
        return ()

    def carry_out(self, entry: AuditEntry, heads: log.LockedHeads) -> None:
        """Raises NotFound: another act has dealt with it meanwhile."""
        if entry.channel_id is None or not reopen(heads, entry.channel_id, entry):
            raise NotFound("What was reported is gone.")


def leave_to_site(heads: log.LockedHeads, owner_id: UUID, viewer: Viewer) -> None:
    """Show what is reported about a viewer to the people of the site alone: the viewer moderates the channel now."""
    rows = Complaint.objects.filter(channel=owner_id, viewer=viewer, is_for_site=False)
    abouts = set(rows.filter(settled_at=None).values_list("about", flat=True))
    rows.update(is_for_site=True)
    _publish(heads, owner_id, abouts)


def forget(rows: QuerySet[Complaint]) -> int:
    """Delete complaints, in a short transaction for each channel. Return how many."""
    deleted = 0
    for owner_id in sorted(set(rows.values_list("channel", flat=True))):
        with transaction.atomic():
            heads = audit.lock(owner_id)
            here = rows.filter(channel=owner_id)
            abouts = set(here.filter(settled_at=None, is_for_site=False).values_list("about", flat=True))
            deleted += here.delete()[0]
            _publish(heads, owner_id, abouts)
    return deleted


def forget_old() -> int:
    """Delete the complaints that are too old, settled or not. Return how many."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    return forget(Complaint.objects.filter(created_at__lt=before))


# A guest becomes an account


def named_by(viewer_id: UUID) -> QuerySet[Complaint]:
    """Return the complaints of a viewer, about them, and in their channel."""
    return Complaint.objects.filter(Q(viewer=viewer_id) | Q(reporter=viewer_id) | Q(channel=viewer_id))


def hand_over(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    """Let the account take the guest's place, in that transaction. Of two about the same thing the account's stays."""
    changed: dict[UUID, set[UUID]] = defaultdict(set)

    def now(id: UUID) -> UUID:
        return account.id if id == guest.id else id

    for row in named_by(guest.id).order_by("id"):
        places = {(row.channel_id, row.about), (now(row.channel_id), now(row.about))}
        for owner_id, about in places if not row.is_for_site else ():
            changed[owner_id].add(about)
        row.channel_id, row.about = now(row.channel_id), now(row.about)
        row.viewer_id, row.reporter_id = now(row.viewer_id), now(row.reporter_id)
        same = Complaint.objects.filter(channel=row.channel_id, about=row.about, reporter=row.reporter_id)
        if row.viewer_id == row.reporter_id or same.exclude(id=row.id).exists():
            row.delete()
            continue
        if row.viewer_id == account.id and role_in(row.channel_id, account) > Rank.VIEWER:
            row.is_for_site = True
        row.save()
    for owner_id, abouts in sorted(changed.items()):
        _publish(heads, owner_id, abouts)


class ReportedPart:
    """What is reported, as a part of the moderators' topic: `reported`, the newest first."""

    events = frozenset({"reported", "reported_settled"})
    takes_back = frozenset({"reported_settled"})

    def load(self, owner_id: UUID) -> dict[str, Any]:
        return {"reported": _grouped(_open(owner_id))}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        reported = [each for each in snapshot["reported"] if each["id"] != data["reported"]["id"]]
        if name == "reported":
            reported.append(data["reported"])
        snapshot["reported"] = sorted(reported, key=lambda each: str(each["complaints"][0]["id"]), reverse=True)

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return str(data["reported"]["id"])
