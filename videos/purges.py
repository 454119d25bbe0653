"""All comments of one person in a channel, deleted at once; and deletions by moderators taken back.

Hop: called by the API and the WebSocket commands; moderation.undoing calls `RestoresComments`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Viewer
from moderation import audit, complaints, rights
from moderation.models import AuditEntry
from moderation.undoing import undo
from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import Comment
from videos.representation import comment_json, with_authors
from web.refusals import NotFound
from web.tombstones import deleted_json

logger = logging.getLogger(__name__)

PURGE_MAX = 1_000  # of one transaction: its events go to all viewers, and those who comment wait for it


@transaction.atomic
def delete_comments_of(
    owner_id: UUID, viewer_id: UUID, actor: Viewer, *, reason: str = ""
) -> tuple[AuditEntry, list[UUID]]:
    """Delete what a person has written at the videos of a channel: the newest `PURGE_MAX` comments of it.

    Return the act and the comments. Raises NotFound (there are none), Forbidden, Invalid.
    """
    reason = audit.clean_reason(reason)
    viewer = Viewer.objects.filter(id=viewer_id).first()
    if viewer is None:
        raise NotFound("There is no such person.")
    shown = Comment.objects.filter(author=viewer, video__owner=owner_id, deleted_at=None)
    heads = audit.lock_for("delete_all", owner_id, actor, *_topics(shown))
    rights.require_over("delete_all", owner_id, actor, viewer)
    rows = shown.order_by("-id").values_list("video_id", "id", "seq")[:PURGE_MAX]
    found = [row for row in rows if _topic(row[0]) in heads]
    if not found:
        raise NotFound("There is nothing of this person to delete.")
    entry = audit.record(heads, owner_id, "delete_all", actor, viewer=viewer, text=str(len(found)), reason=reason)
    ids = [comment_id for _, comment_id, _ in found]
    Comment.objects.filter(id__in=ids).update(deleted_at=timezone.now(), pinned_at=None, deletion=entry.id)
    gone = [(_topic(video_id), "comment_deleted", {"comment": deleted_json(id, seq)}) for video_id, id, seq in found]
    log.record_many(heads, gone)
    complaints.settle(heads, owner_id, ids, entry)
    logger.info("%d comments of %s deleted by %s", len(found), viewer_id, actor.id)
    return entry, ids


def restore_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Take back the act that has deleted a comment. Raises NotFound, Forbidden, Conflict."""
    deleted = Comment.objects.filter(id=comment_id, video=video_id, deletion__isnull=False)
    found = deleted.select_related("video").first()
    if found is None or found.deletion is None:
        raise NotFound("There is no such comment.")
    undo(found.video.owner_id, found.deletion, actor)


class RestoresComments:
    """Brings back what an act has deleted. Pinned ones come back without their pin."""

    def topics(self, entry: AuditEntry) -> Collection[TopicName]:
        return _topics(_deleted_by(entry))

    def carry_out(self, entry: AuditEntry, heads: log.LockedHeads) -> None:
        """Raises NotFound: the comments are gone for good."""
        found = [
            comment
            for comment in with_authors(_deleted_by(entry)).select_related("author", "video").order_by("seq")
            if TopicName(comment.video.topic) in heads
        ]
        if not found:
            raise NotFound("The comments are gone for good.")
        Comment.objects.filter(id__in=[comment.id for comment in found]).update(deleted_at=None, deletion=None)
        back = [
            (TopicName(comment.video.topic), "comment_restored", {"comment": comment_json(comment)})
            for comment in found
        ]
        log.record_many(heads, back)
        complaints.reopen(heads, found[0].video.owner_id, entry)


def _deleted_by(entry: AuditEntry) -> QuerySet[Comment]:
    """Return the comments that an act has deleted, by an index: of its video, or of its person."""
    found = Comment.objects.filter(deletion=entry.id, deleted_at__isnull=False)
    return found.filter(video=entry.video_id) if entry.video_id else found.filter(author=entry.viewer_id)


def _topics(comments: QuerySet[Comment]) -> set[TopicName]:
    return {_topic(video_id) for video_id in comments.values_list("video_id", flat=True).distinct()}


def _topic(video_id: UUID) -> TopicName:
    return TopicName(f"video:{video_id}")
