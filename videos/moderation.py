"""What authors and moderators do with comments: delete, pin. Written, committed, and only then published.

Hop: called by the API, the admin and removal; realtime.log.writer records it for those who watch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Viewer
from realtime.log import writer as log
from videos import rights
from videos.access import locked, locked_for, require
from videos.models import Comment, Pin, Video
from videos.representation import comment_json, with_authors
from web.refusals import NotFound

logger = logging.getLogger(__name__)


@transaction.atomic
def delete_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Take a comment away, as its author or a moderator. A deleted one is not found. Raises NotFound, Forbidden."""
    head, video = locked(video_id, actor)
    found = _shown_comment(video, comment_id)
    if found.author_id != actor.id:
        require(rights.MODERATE, video, actor)
    found.deleted_at, found.pinned_at = timezone.now(), None
    found.save(update_fields=["deleted_at", "pinned_at"])
    log.record(head, "comment_deleted", {"comment": {"id": str(found.id)}})
    logger.info("comment %s of %s deleted by %s", found.id, video.topic, actor.id)


@transaction.atomic
def delete_comments(video_id: UUID, comment_ids: Sequence[UUID], actor: Viewer, *, right: str = rights.MODERATE) -> int:
    """Take many comments away at once, as somebody with the right; return how many were still there.

    One short transaction: viewers who comment meanwhile wait for it. Raises NotFound, Forbidden.
    """
    head, video = locked_for(right, video_id, actor)
    shown = Comment.objects.filter(video=video, id__in=comment_ids, deleted_at=None)
    found = list(shown.order_by("seq").values_list("id", flat=True))
    if found:
        shown.update(deleted_at=timezone.now(), pinned_at=None)
        log.record_all(head, "comment_deleted", [{"comment": {"id": str(id)}} for id in found])
        logger.info("%d comments of %s deleted by %s", len(found), video.topic, actor.id)
    return len(found)


@transaction.atomic
def pin_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Show a comment on top, in place of the one pinned so far. Raises NotFound, Forbidden."""
    head, video = locked_for(rights.MODERATE, video_id, actor)
    found = _shown_comment(video, comment_id)
    if found.pinned_at is not None:
        return
    for other in Comment.objects.filter(video=video, pinned_at__isnull=False):
        _unpin(head, other)
    found.pinned_at = timezone.now()
    found.save(update_fields=["pinned_at"])
    Pin.objects.create(video=video, comment=found, pinned_at=found.pinned_at)
    log.record(head, "comment_pinned", {"comment": comment_json(found)})


@transaction.atomic
def unpin_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Take a pinned comment from the top; one that is not pinned stays as it is. Raises NotFound, Forbidden."""
    head, video = locked_for(rights.MODERATE, video_id, actor)
    found = _shown_comment(video, comment_id)
    if found.pinned_at is not None:
        _unpin(head, found)


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
