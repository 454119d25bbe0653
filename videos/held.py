"""Comments that wait for a moderator: kept, then approved or denied.

Hop: `keep` is called by videos.likes when the rules hold a comment; the rest by the API, the admin, merging and
removal. A held comment is in no video's topic. When it is approved it becomes a comment, at that moment, and is
published as any other. The moderators of the channel see what waits in their topic (`HeldPart`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Viewer
from accounts.representation import person
from moderation import audit
from moderation import rights as channel_rights
from realtime.events import TopicName
from realtime.log import writer as log
from videos import listeners
from videos.access import locked_channel
from videos.models import Comment, HeldComment, Video
from videos.representation import comment_json, with_authors
from videos.topics import visible_video
from web.moments import to_ms
from web.refusals import Conflict, NotFound

logger = logging.getLogger(__name__)

HELD_MAX = 100  # of one channel
REASON_MAX = 200
SHADOW = "shadow"
"""The reason where the author is under a shadow, of which they must not learn."""
BODY_SHOWN = 280  # characters in the moderators' topic; REST has all
DETAIL = "A moderator looks at your comment first."


@dataclass(frozen=True, slots=True)
class Written:
    """A comment as its author has sent it."""

    video_id: UUID
    author_id: UUID
    body: str
    reply_to: UUID | None
    client_id: str | None


@transaction.atomic
def keep(written: Written, reason: str) -> dict[str, Any]:
    """Keep a comment for the moderators; return `{"id", "detail"}`. The same text, while it waits, is the same one.

    Raises NotFound, Conflict.
    """
    owner_id = Video.objects.filter(id=written.video_id).values_list("owner_id", flat=True).first()
    if owner_id is None:
        raise NotFound("There is no such video.")
    heads = audit.lock(owner_id)
    found = _waiting(written) or _kept(heads, owner_id, written, reason)
    return {"id": str(found.id), "detail": DETAIL}


def _waiting(written: Written) -> HeldComment | None:
    """Return the comment if it waits already. Raises Conflict if its client_id belongs to another one."""
    mine = HeldComment.objects.filter(video=written.video_id, author=written.author_id)
    known = mine.filter(client_id=written.client_id).first() if written.client_id is not None else None
    if known is not None and (known.body, known.reply_to_id) != (written.body, written.reply_to):
        raise Conflict("This client_id belongs to another comment.", code="client_id_taken")
    return known or mine.filter(body=written.body, reply_to=written.reply_to).first()


def _kept(heads: log.LockedHeads, owner_id: UUID, written: Written, reason: str) -> HeldComment:
    if HeldComment.objects.filter(video__owner=owner_id).count() >= HELD_MAX:
        raise Conflict("Too many comments wait for the moderators. Try again later.", code="queue_full")
    made = HeldComment.objects.create(
        video_id=written.video_id,
        author_id=written.author_id,
        body=written.body,
        reply_to_id=written.reply_to,
        client_id=written.client_id,
        reason=reason[:REASON_MAX],
    )
    made.refresh_from_db()  # the time is the database's
    log.record(heads[audit.topic_of(owner_id)], "comment_held", {"held": _shown(made)})
    return made


def waiting_at(video_id: UUID, actor: Viewer, limit: int) -> list[dict[str, Any]]:
    """Return the comments that wait at a video, the oldest first. Raises NotFound, Forbidden."""
    channel_rights.require("review", visible_video(video_id, actor).owner_id, actor)
    found = HeldComment.objects.filter(video=video_id).select_related("author").order_by("id")
    return [held_json(comment) for comment in found[:limit]]


def held_json(comment: HeldComment) -> dict[str, Any]:
    """The held comment, as moderators read it. Needs `comment.author`."""
    return {
        "id": str(comment.id),
        "video_id": str(comment.video_id),
        "author": person(comment.author),
        "body": comment.body,
        "reply_to": str(comment.reply_to_id) if comment.reply_to_id else None,
        "at_ms": to_ms(comment.created_at) or 0,
        "reason": comment.reason,
    }


def _shown(comment: HeldComment) -> dict[str, Any]:
    """The held comment in the moderators' topic, where a long text is cut."""
    return {**held_json(comment), "body": comment.body[:BODY_SHOWN]}


@transaction.atomic
def approve(video_id: UUID, held_id: UUID, actor: Viewer) -> dict[str, Any]:
    """Publish a held comment, now; return it as viewers see it. Raises NotFound, Forbidden."""
    heads, video = locked_channel("review", video_id, actor)
    waiting = _decided(heads, "approve", video, held_id, actor)
    head = heads[TopicName(video.topic)]
    made = Comment.objects.create(
        video=video,
        author_id=waiting.author_id,
        body=waiting.body,
        reply_to_id=waiting.reply_to_id,
        client_id=waiting.client_id,
        seq=head.seq + 1,
        created_at=timezone.now(),
    )
    shown = with_authors(Comment.objects.filter(id=made.id)).get()
    shown.video = video
    data = comment_json(shown)
    listeners.changed([made.id])
    log.record(head, "comment", {"comment": data})
    return data


@transaction.atomic
def deny(video_id: UUID, held_id: UUID, actor: Viewer) -> None:
    """Throw a held comment away. Raises NotFound, Forbidden."""
    heads, video = locked_channel("review", video_id, actor)
    _decided(heads, "deny", video, held_id, actor)


def _decided(heads: log.LockedHeads, act: str, video: Video, held_id: UUID, actor: Viewer) -> HeldComment:
    """Take a comment out of what waits, and write down who did. Raises NotFound."""
    found = HeldComment.objects.select_related("author").filter(id=held_id, video=video).first()
    if found is None:
        raise NotFound("There is no such comment. Perhaps another moderator has decided.")
    _forget(heads, video.owner_id, HeldComment.objects.filter(id=held_id))
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
    logger.info("held comment %s of %s: %s by %s", held_id, video.topic, act, actor.id)
    return found


def forget(rows: QuerySet[HeldComment]) -> None:
    """Delete what waits, because its video or its author goes away: a short transaction for each channel."""
    for owner_id in sorted(set(rows.values_list("video__owner", flat=True))):
        with transaction.atomic():
            _forget(audit.lock(owner_id), owner_id, rows.filter(video__owner=owner_id))


def _forget(heads: log.LockedHeads, owner_id: UUID, rows: QuerySet[HeldComment]) -> None:
    ids = list(rows.order_by("id").values_list("id", flat=True))
    HeldComment.objects.filter(id__in=ids).delete()
    head = heads[audit.topic_of(owner_id)]
    log.record_all(head, "held_decided", [{"held": {"id": str(id)}} for id in ids])


def topics_of(author_id: UUID) -> set[TopicName]:
    """Return the moderators' topics of the channels in which something of the author waits."""
    owners = HeldComment.objects.filter(author=author_id).values_list("video__owner", flat=True)
    return {audit.topic_of(owner_id) for owner_id in owners}


def hand_over(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    """Give what waits to the account that the guest becomes, in that transaction."""
    rows = list(HeldComment.objects.filter(author=guest).select_related("video").order_by("id"))
    HeldComment.objects.filter(author=guest).update(author=account, client_id=None)
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
