"""Comments and questions that wait for a moderator: kept, then approved or denied.

Hop: `keep` is called by videos.likes and polls.asking when the rules hold something; the rest by the API, the admin,
merging and removal. What is held is in no topic of viewers. When it is approved it becomes a comment or a question, at
that moment, and is published as any other (`approvals`). The moderators of the channel see what waits in their topic
(`HeldPart`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from accounts.representation import person
from moderation import audit, sharing
from moderation import rights as channel_rights
from moderation.models import AuditEntry
from moderation.undoing import UNDO_SECONDS
from realtime.events import TopicName
from realtime.log import writer as log
from realtime.log.threads import backend_threads
from videos import listeners
from videos.access import locked_channel
from videos.models import Comment, HeldComment, Video
from videos.representation import comment_json, with_authors
from videos.topics import visible_video
from web.moments import to_ms
from web.refusals import Conflict, NotFound

logger = logging.getLogger(__name__)

HeldKind = HeldComment.Kind

HELD_MAX = 100  # of one channel
REASON_MAX = 200
SHADOW = "shadow"
"""The reason where the author is under a shadow, of which they must not learn."""
SHARED_SHADOW = "shadow: "
"""The same by the ban of another channel, whose name follows."""
UNDER_SHADOW = Q(reason=SHADOW) | Q(reason__startswith=SHARED_SHADOW)
BODY_SHOWN = 280  # characters in the moderators' topic; REST has all
DETAILS = {
    HeldKind.COMMENT: _("A moderator looks at your comment first."),
    HeldKind.QUESTION: _("A moderator looks at your question first."),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A comment or question as its author has sent it."""

    video_id: UUID
    author_id: UUID
    body: str
    reply_to: UUID | None
    client_id: str | None
    kind: HeldKind = HeldKind.COMMENT


class Approval(Protocol):
    """How things of one kind are published."""

    def topics(self, video_id: UUID) -> Collection[TopicName]:
        """Return the topics that `publish` needs beside those of the video and the moderators."""
        ...

    def publish(self, heads: log.LockedHeads, video: Video, waiting: HeldComment) -> dict[str, Any]:
        """Publish what has waited, now; return it as viewers see it. The topics are locked. Raises Conflict."""
        ...


@dataclass(frozen=True, slots=True)
class Approved:
    kind: HeldKind
    data: dict[str, Any]
    """As viewers see it."""


async def hold(written: Written, reason: str) -> dict[str, Any]:
    """Do what `keep` does; return `{"held": {"id", "detail"}}`, in the author's language."""
    id = await backend_threads.run(keep, written, reason)
    return {"held": {"id": str(id), "detail": str(DETAILS[written.kind])}}


@transaction.atomic
def keep(written: Written, reason: str) -> UUID:
    """Keep something for the moderators; return its id. The same text, while it waits, is the same one.

    Raises NotFound, Conflict.
    """
    owner_id = Video.objects.filter(id=written.video_id).values_list("owner_id", flat=True).first()
    if owner_id is None:
        raise NotFound("There is no such video.")
    heads = audit.lock(owner_id)
    found = _waiting(written) or _kept(heads, owner_id, written, reason)
    return found.id


def _waiting(written: Written) -> HeldComment | None:
    """Return what waits already. Raises Conflict if its client_id belongs to something else."""
    mine = HeldComment.objects.filter(video=written.video_id, author=written.author_id, kind=written.kind)
    known = mine.filter(client_id=written.client_id).first() if written.client_id is not None else None
    if known is not None and (known.body, known.reply_to_id) != (written.body, written.reply_to):
        raise Conflict("This client_id belongs to something else.", code="client_id_taken")
    return known or mine.filter(body=written.body, reply_to=written.reply_to).first()


def _kept(heads: log.LockedHeads, owner_id: UUID, written: Written, reason: str) -> HeldComment:
    if reason == SHADOW and (found := sharing.of_person(owner_id, written.author_id)) is not None:
        reason = f"{SHARED_SHADOW}{found['origin']['name']}"
    if HeldComment.objects.filter(video__owner=owner_id).count() >= HELD_MAX:
        raise Conflict("Too many comments wait for the moderators. Try again later.", code="queue_full")
    made = HeldComment.objects.create(
        video_id=written.video_id,
        author_id=written.author_id,
        body=written.body,
        reply_to_id=written.reply_to,
        client_id=written.client_id,
        reason=reason[:REASON_MAX],
        kind=written.kind,
    )
    made.refresh_from_db()  # the time is the database's
    log.record(heads[audit.topic_of(owner_id)], "comment_held", {"held": _shown(made)})
    return made


def waiting_at(video_id: UUID, actor: Viewer, limit: int) -> list[dict[str, Any]]:
    """Return what waits at a video, the oldest first. Raises NotFound, Forbidden."""
    channel_rights.require("review", visible_video(video_id, actor).owner_id, actor)
    found = HeldComment.objects.filter(video=video_id).select_related("author").order_by("id")
    return [held_json(comment) for comment in found[:limit]]


def held_json(comment: HeldComment) -> dict[str, Any]:
    """What is held, as moderators read it. Needs `comment.author`."""
    return {
        "id": str(comment.id),
        "kind": comment.kind,
        "video_id": str(comment.video_id),
        "author": person(comment.author),
        "body": comment.body,
        "reply_to": str(comment.reply_to_id) if comment.reply_to_id else None,
        "at_ms": to_ms(comment.created_at) or 0,
        "reason": comment.reason,
    }


def _shown(comment: HeldComment) -> dict[str, Any]:
    """What is held, in the moderators' topic, where a long text is cut."""
    return {**held_json(comment), "body": comment.body[:BODY_SHOWN]}


@transaction.atomic
def approve(video_id: UUID, held_id: UUID, actor: Viewer) -> Approved:
    """Publish what is held, now. Raises NotFound, Forbidden, Conflict (of a question: the list is full, or over)."""
    found = HeldComment.objects.filter(id=held_id, video=video_id).only("kind").first()
    kind = HeldKind(found.kind) if found is not None else HeldKind.COMMENT
    heads, video = locked_channel("review", video_id, actor, *approvals[kind].topics(video_id))
    waiting = _decided(heads, "approve", video, held_id, actor)
    return Approved(kind, approvals[kind].publish(heads, video, waiting))


def free_client_id(published: QuerySet[Any], waiting: HeldComment) -> str | None:
    """Return the client_id of what has waited. None if it was sent again meanwhile, by other rules: that one has it."""
    same = published.filter(video=waiting.video_id, author=waiting.author_id, client_id=waiting.client_id)
    return None if same.exists() else waiting.client_id


class _CommentApproval(Approval):
    def topics(self, video_id: UUID) -> Collection[TopicName]:
        return ()

    def publish(self, heads: log.LockedHeads, video: Video, waiting: HeldComment) -> dict[str, Any]:
        head = heads[TopicName(video.topic)]
        made = Comment.objects.create(
            video=video,
            author_id=waiting.author_id,
            body=waiting.body,
            reply_to_id=waiting.reply_to_id,
            client_id=free_client_id(Comment.objects.all(), waiting),
            seq=head.seq + 1,
            created_at=timezone.now(),
        )
        shown = with_authors(Comment.objects.filter(id=made.id)).get()
        shown.video = video
        data = comment_json(shown)
        listeners.changed([made.id])
        log.record(head, "comment", {"comment": data})
        return data


approvals: dict[HeldKind, Approval] = {HeldKind.COMMENT: _CommentApproval()}
"""Apps above add theirs in AppConfig.ready()."""


@transaction.atomic
def deny(video_id: UUID, held_id: UUID, actor: Viewer) -> None:
    """Throw away what is held. Raises NotFound, Forbidden."""
    heads, video = locked_channel("review", video_id, actor)
    _decided(heads, "deny", video, held_id, actor)


def _decided(heads: log.LockedHeads, act: str, video: Video, held_id: UUID, actor: Viewer) -> HeldComment:
    """Take something out of what waits, and write down who did. Raises NotFound."""
    found = HeldComment.objects.select_related("author").filter(id=held_id, video=video).first()
    if found is None:
        raise NotFound("Nothing about this waits. Perhaps another moderator has decided.")
    throw_away(heads, video.owner_id, HeldComment.objects.filter(id=held_id))
    audit.record(
        heads,
        video.owner_id,
        act,
        actor,
        viewer=found.author,
        about=held_id,
        video_id=video.id,
        text=found.body,
        reason=found.reason,
    )
    logger.info("held %s of %s: %s by %s", held_id, video.topic, act, actor.id)
    return found


def forget(rows: QuerySet[HeldComment]) -> None:
    """Delete what waits, because its video or its author goes away: a short transaction for each channel."""
    for owner_id in sorted(set(rows.values_list("video__owner", flat=True))):
        with transaction.atomic():
            throw_away(audit.lock(owner_id), owner_id, rows.filter(video__owner=owner_id))


def forget_channel(owner_id: UUID) -> None:
    """Take the name of a channel, which goes away, from the reasons of what waits in others because of its bans."""
    name = Viewer.objects.filter(id=owner_id).values_list("name", flat=True).first()
    HeldComment.objects.filter(reason=f"{SHARED_SHADOW}{name}").update(reason=SHADOW)


def throw_away(heads: log.LockedHeads, owner_id: UUID, rows: QuerySet[HeldComment]) -> int:
    """Delete what waits in a channel, which is locked. Return how much."""
    ids = list(rows.order_by("id").values_list("id", flat=True))
    HeldComment.everything.filter(id__in=ids).delete()
    _record_gone(heads, owner_id, ids)
    return len(ids)


def _record_gone(heads: log.LockedHeads, owner_id: UUID, ids: Collection[UUID]) -> None:
    head = heads[audit.topic_of(owner_id)]
    log.record_all(head, "held_decided", [{"held": {"id": str(id)}} for id in ids])


def take_away(heads: log.LockedHeads, owner_id: UUID, rows: QuerySet[HeldComment], act: AuditEntry) -> None:
    """Take what waits in a channel, which is locked, out of the queue. It comes back if the act is taken back."""
    ids = list(rows.order_by("id").values_list("id", flat=True))
    # Sent again, it is something new.
    rows.filter(id__in=ids).update(taken_by=act.id, taken_at=Now(), client_id=None)
    _record_gone(heads, owner_id, ids)


def bring_back(heads: log.LockedHeads, owner_id: UUID, act: AuditEntry) -> int:
    """Have wait again what an act has taken away. The channel is locked. Return how much."""
    found = list(HeldComment.everything.filter(taken_by=act.id).select_related("author").order_by("id"))
    HeldComment.everything.filter(taken_by=act.id).update(taken_by=None, taken_at=None)
    log.record_all(heads[audit.topic_of(owner_id)], "comment_held", [{"held": _shown(row)} for row in found])
    return len(found)


def forget_taken() -> int:
    """Delete what acts have taken away that nobody can take back any more. Return how much."""
    before = timezone.now() - timedelta(seconds=2 * UNDO_SECONDS)
    return HeldComment.everything.filter(taken_at__lt=before).delete()[0]


def topics_of(author_id: UUID) -> set[TopicName]:
    """Return the moderators' topics of the channels in which something of the author waits."""
    owners = HeldComment.objects.filter(author=author_id).values_list("video__owner", flat=True)
    return {audit.topic_of(owner_id) for owner_id in owners}


def hand_over(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    """Give what waits to the account that the guest becomes, in that transaction."""
    rows = list(HeldComment.objects.filter(author=guest).select_related("video").order_by("id"))
    HeldComment.everything.filter(author=guest).update(author=account, client_id=None)
    for row in rows:
        row.author = account
        log.record(heads[audit.topic_of(row.video.owner_id)], "comment_held", {"held": _shown(row)})


class HeldPart:
    """What waits, as a part of the moderators' topic: `held`, the oldest first."""

    events = frozenset({"comment_held", "held_decided"})
    takes_back = frozenset({"held_decided"})

    def load(self, owner_id: UUID) -> dict[str, Any]:
        found = HeldComment.objects.filter(video__owner=owner_id).select_related("author").order_by("id")
        return {"held": [_shown(comment) for comment in found]}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        held = [comment for comment in snapshot["held"] if comment["id"] != data["held"]["id"]]
        if name == "comment_held":
            held.append(data["held"])
        snapshot["held"] = sorted(held, key=lambda comment: str(comment["id"]))

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return str(data["held"]["id"])
