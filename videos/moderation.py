"""What viewers and moderators do with comments: delete, report, pin. Written, committed, and only then published.

Hop: called by the API, the admin and removal; realtime.log.writer records it for those who watch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from accounts.permissions import DELETE_VIEWER
from moderation import audit, complaints
from moderation import rights as channel_rights
from moderation.complaints import Reported
from moderation.models import AuditEntry, Complaint
from realtime.events import TopicName
from realtime.log import writer as log
from videos import listeners
from videos.access import locked_anyway, locked_channel, locked_for, locked_with_channel
from videos.models import Comment, CommentVersion, Pin, Video
from videos.representation import comment_json, with_authors
from videos.topics import visible_video
from web.refusals import NotFound
from web.tombstones import deleted_json

logger = logging.getLogger(__name__)


Deleter = Callable[[UUID, UUID, Viewer], object]
"""Deletes what was reported: of the video, by what Complaint has in `about`, as that moderator."""


def delete_comment(video_id: UUID, comment_id: UUID, actor: Viewer, *, reason: str = "") -> AuditEntry | None:
    """Take a comment away, as its author or a moderator. A deleted one is not found.

    Return the act of a moderator, by which it can be taken back. Raises NotFound, Forbidden, Invalid.
    """
    entry = None
    if Comment.objects.filter(id=comment_id, author=actor).exists():
        _delete_own(video_id, comment_id, actor)
    else:
        entry = _delete_others(video_id, comment_id, actor, audit.clean_reason(reason))
    logger.info("comment %s of video:%s deleted by %s", comment_id, video_id, actor.id)
    return entry


@transaction.atomic
def _delete_own(video_id: UUID, comment_id: UUID, author: Viewer) -> None:
    heads, video = locked_with_channel(video_id, author)
    _delete(heads[TopicName(video.topic)], _shown_comment(video, comment_id))
    complaints.settle(heads, video.owner_id, [comment_id], None)


@transaction.atomic
def _delete_others(video_id: UUID, comment_id: UUID, actor: Viewer, reason: str) -> AuditEntry:
    heads, video = locked_channel("delete", video_id, actor)
    found = _shown_comment(video, comment_id)
    _delete(heads[TopicName(video.topic)], found)
    entry = _record(heads, "delete", actor, found, reason=reason)
    Comment.objects.filter(id=found.id).update(deletion=entry.id)
    complaints.settle(heads, video.owner_id, [comment_id], entry)
    return entry


def _delete(head: log.LockedHead, found: Comment) -> None:
    found.deleted_at, found.pinned_at = timezone.now(), None
    found.save(update_fields=["deleted_at", "pinned_at"])
    listeners.changed([found.id])
    log.record(head, "comment_deleted", {"comment": deleted_json(found.id, found.seq)})


def _record(heads: log.LockedHeads, act: str, actor: Viewer, found: Comment, *, reason: str = "") -> AuditEntry:
    """Write an act on a comment into the audit log. Needs its author and its video."""
    return audit.record(
        heads,
        found.video.owner_id,
        act,
        actor,
        viewer=found.author,
        about=found.id,
        video_id=found.video_id,
        text=found.body,
        reason=reason,
    )


@transaction.atomic
def delete_comments(video_id: UUID, comment_ids: Sequence[UUID], actor: Viewer) -> int:
    """Take many comments away at once, as a moderator; return how many were still there.

    One short transaction: viewers who comment meanwhile wait for it. Raises NotFound, Forbidden.
    """
    heads, video = locked_channel("delete", video_id, actor)
    deleted = _delete_many(heads[TopicName(video.topic)], video, comment_ids)
    if deleted:
        said = f"{len(deleted)} comments"
        entry = audit.record(heads, video.owner_id, "delete", actor, video_id=video.id, text=said)
        Comment.objects.filter(id__in=deleted).update(deletion=entry.id)
        complaints.settle(heads, video.owner_id, deleted, entry)
        logger.info("%s of %s deleted by %s", said, video.topic, actor.id)
    return len(deleted)


@transaction.atomic
def erase_comments(video_id: UUID, comment_ids: Sequence[UUID], actor: Viewer, *, author_id: UUID) -> None:
    """Take many comments of one author away, as somebody who deletes their account, or as the author.

    Raises NotFound, Forbidden.
    """
    is_own = actor.id == author_id
    head, video = locked_anyway(video_id) if is_own else locked_for(DELETE_VIEWER, video_id, actor)
    _delete_many(head, video, comment_ids)


def _delete_many(head: log.LockedHead, video: Video, comment_ids: Sequence[UUID]) -> list[UUID]:
    shown = Comment.objects.filter(video=video, id__in=comment_ids, deleted_at=None)
    found = list(shown.order_by("seq").values_list("id", "seq"))
    if found:
        shown.update(deleted_at=timezone.now(), pinned_at=None)
        listeners.changed([id for id, _ in found])
        log.record_all(head, "comment_deleted", [{"comment": deleted_json(*row)} for row in found])
    return [id for id, _ in found]


@transaction.atomic
def report_comment(video_id: UUID, comment_id: UUID, reporter: Viewer, *, reason: str, remark: str = "") -> None:
    """Report a comment to the moderators of the channel. Raises NotFound, Forbidden, Conflict."""
    owner_id = visible_video(video_id, reporter).owner_id
    heads = audit.lock(owner_id)  # not of the video: nobody who comments waits for a complaint
    video = visible_video(video_id, reporter)
    if video.owner_id != owner_id:
        raise NotFound("There is no such video.")
    found = _shown_comment(video, comment_id)
    reported = Reported(Complaint.Kind.COMMENT, found.id, found.author, video.id, found.body)
    complaints.add(heads, owner_id, reporter, reported, reason=reason, remark=remark)


def versions_of(video_id: UUID, comment_id: UUID, actor: Viewer) -> Sequence[CommentVersion]:
    """Return what a comment said before, the oldest first, also of a deleted one. Raises NotFound, Forbidden."""
    video = visible_video(video_id, actor)
    channel_rights.require("delete", video.owner_id, actor)
    if not Comment.objects.filter(id=comment_id, video=video).exists():
        raise NotFound("There is no such comment.")
    return list(CommentVersion.objects.filter(comment=comment_id).order_by("id"))


@transaction.atomic
def pin_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Show a comment on top, in place of the one pinned so far. Raises NotFound, Forbidden."""
    heads, video = locked_channel("pin", video_id, actor)
    head = heads[TopicName(video.topic)]
    found = _shown_comment(video, comment_id)
    if found.pinned_at is not None:
        return
    for other in Comment.objects.filter(video=video, pinned_at__isnull=False):
        _unpin(head, other)
    found.pinned_at = timezone.now()
    found.save(update_fields=["pinned_at"])
    Pin.objects.create(video=video, comment=found, pinned_at=found.pinned_at)
    _record(heads, "pin", actor, found)
    log.record(head, "comment_pinned", {"comment": comment_json(found)})


@transaction.atomic
def unpin_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Take a pinned comment from the top; one that is not pinned stays as it is. Raises NotFound, Forbidden."""
    heads, video = locked_channel("pin", video_id, actor)
    found = _shown_comment(video, comment_id)
    if found.pinned_at is not None:
        _record(heads, "unpin", actor, found)
        _unpin(heads[TopicName(video.topic)], found)


def _unpin(head: log.LockedHead, pinned: Comment) -> None:
    pinned.pinned_at = None
    pinned.save(update_fields=["pinned_at"])
    Pin.objects.filter(comment=pinned, unpinned_at=None).update(unpinned_at=timezone.now())
    log.record(head, "comment_unpinned", {"comment": {"id": str(pinned.id)}})


def _shown_comment(video: Video, comment_id: UUID) -> Comment:
    found = with_authors(Comment.objects.filter(id=comment_id, video=video, deleted_at=None)).first()
    if found is None:
        raise NotFound("There is no such comment.")
    found.video = video
    return found


deleters: dict[str, Deleter] = {Complaint.Kind.COMMENT: delete_comment}
"""By the kind of a complaint. Apps above add theirs in AppConfig.ready()."""
