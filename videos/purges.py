"""All that one person has written in a channel, deleted at once; and deletions by moderators taken back.

Hop: called by the API and the WebSocket commands, and by videos.gate; moderation.undoing calls `RestoresComments`. Apps
above have texts of their own that go and come back with the comments (`also`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Viewer
from moderation import audit, complaints, rights
from moderation.models import AuditEntry
from moderation.undoing import undo
from realtime.events import TopicName
from realtime.log import writer as log
from videos import held, listeners
from videos.models import Comment, HeldComment
from videos.representation import comment_json, with_authors
from web.refusals import NotFound
from web.tombstones import deleted_json

logger = logging.getLogger(__name__)

PURGE_MAX = 1_000  # of one transaction: its events go to all viewers, and those who comment wait for it


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose texts in a channel are taken away: of one person, or of those who came to the site and wrote since then."""

    owner_id: UUID
    author_id: UUID | None = None
    came_from: datetime | None = None
    written_from: datetime | None = None
    is_like: Callable[[str], bool] = lambda body: True

    @property
    def texts(self) -> Q:
        """The condition for texts that are shown, of a model with `video` and `author`. It knows no time of writing."""
        if self.author_id is not None:
            return Q(video__owner=self.owner_id, deleted_at=None, author=self.author_id)
        newcomers = Q(author__date_joined__gte=self.came_from) if self.came_from else Q()
        members = Q(author=self.owner_id) | Q(author__roles__channel=self.owner_id)
        return Q(video__owner=self.owner_id, deleted_at=None) & newcomers & ~members


class AlsoPurged(Protocol):
    """Texts beside the comments."""

    noun: str
    """What one is called in the log."""

    def topics(self, video_ids: Collection[UUID]) -> set[TopicName]:
        """Return the topics in which `take_away` and `bring_back` record something."""
        ...

    def find(self, chosen: Chosen) -> Mapping[UUID, Sequence[Any]]:
        """Return the texts by video."""
        ...

    def take_away(self, heads: log.LockedHeads, found: Sequence[Any], act: AuditEntry) -> None:
        """Delete what `find` has found at one video. The topics are locked."""
        ...

    def deleted_by(self, act: AuditEntry) -> Mapping[UUID, Sequence[Any]]:
        """Return by video what an act has deleted."""
        ...

    def bring_back(self, heads: log.LockedHeads, found: Sequence[Any]) -> None:
        """Show again what `deleted_by` has found at one video. The topics are locked."""
        ...


also: list[AlsoPurged] = []
"""Apps add theirs in AppConfig.ready()."""


Beside = tuple[AlsoPurged, UUID, Sequence[Any]]
"""Texts of one kind at one video."""


def topics_beside(video_ids: Collection[UUID]) -> set[TopicName]:
    return {topic for each in also for topic in each.topics(video_ids)}


def found_beside(heads: log.LockedHeads, chosen: Chosen) -> list[Beside]:
    """Return what goes with the comments, at the videos whose topics are locked."""
    return _locked(heads, [(each, id, texts) for each in also for id, texts in each.find(chosen).items()])


def _locked(heads: log.LockedHeads, beside: Sequence[Beside]) -> list[Beside]:
    return [(each, id, texts) for each, id, texts in beside if heads.keys() >= each.topics([id])]


@transaction.atomic
def delete_comments_of(owner_id: UUID, viewer_id: UUID, actor: Viewer, *, reason: str = "") -> tuple[AuditEntry, int]:
    """Delete what a person has written at the videos of a channel: the newest `PURGE_MAX` comments, what is beside, and
    what waits for review.

    Return the act, and how many texts went. Raises NotFound (there are none), Forbidden, Invalid.
    """
    reason = audit.clean_reason(reason)
    viewer = Viewer.objects.filter(id=viewer_id).first()
    if viewer is None:
        raise NotFound("There is no such person.")
    chosen = Chosen(owner_id, viewer_id)
    shown = Comment.objects.filter(chosen.texts)
    beside = topics_beside({id for each in also for id in each.find(chosen)})
    heads = audit.lock_for("delete_all", owner_id, actor, *_topics(shown), *beside)
    rights.require_over("delete_all", owner_id, actor, viewer)
    rows = shown.order_by("-id").values_list("video_id", "id", "seq")[:PURGE_MAX]
    found = [row for row in rows if _topic(row[0]) in heads]
    others = found_beside(heads, chosen)
    waiting = HeldComment.objects.filter(video__owner=owner_id, author=viewer_id)
    count = len(found) + sum(len(texts) for *_, texts in others) + waiting.count()
    if not count:
        raise NotFound("There is nothing of this person to delete.")
    entry = audit.record(heads, owner_id, "delete_all", actor, viewer=viewer, text=str(count), reason=reason)
    ids = [comment_id for _, comment_id, _ in found]
    Comment.objects.filter(id__in=ids).update(deleted_at=timezone.now(), pinned_at=None, deletion=entry.id)
    listeners.changed(ids)
    gone = [(_topic(video_id), "comment_deleted", {"comment": deleted_json(id, seq)}) for video_id, id, seq in found]
    log.record_many(heads, gone)
    for each, _, texts in others:
        each.take_away(heads, texts, entry)
    held.take_away(heads, owner_id, waiting, entry)
    complaints.settle(heads, owner_id, ids, entry)
    logger.info("%d texts of %s deleted by %s", count, viewer_id, actor.id)
    return entry, count


def restore_comment(video_id: UUID, comment_id: UUID, actor: Viewer) -> None:
    """Take back the act that has deleted a comment. Raises NotFound, Forbidden, Conflict."""
    deleted = Comment.objects.filter(id=comment_id, video=video_id, deletion__isnull=False)
    found = deleted.select_related("video").first()
    if found is None or found.deletion is None:
        raise NotFound("There is no such comment.")
    undo(found.video.owner_id, found.deletion, actor)


class RestoresComments:
    """Brings back what an act has deleted, comments and what is beside. Pinned ones come back without their pin."""

    def topics(self, entry: AuditEntry) -> Collection[TopicName]:
        return _topics(_deleted_by(entry)) | topics_beside({id for each in also for id in each.deleted_by(entry)})

    def carry_out(self, entry: AuditEntry, heads: log.LockedHeads) -> None:
        """Raises NotFound: what was written is gone for good."""
        found = [
            comment
            for comment in with_authors(_deleted_by(entry)).select_related("author", "video").order_by("seq")
            if TopicName(comment.video.topic) in heads
        ]
        others = _locked(heads, [(each, id, texts) for each in also for id, texts in each.deleted_by(entry).items()])
        assert entry.channel_id is not None
        waiting = held.bring_back(heads, entry.channel_id, entry)
        if not found and not others and not waiting:
            raise NotFound("The comments are gone for good.")
        ids = [comment.id for comment in found]
        Comment.objects.filter(id__in=ids).update(deleted_at=None, deletion=None)
        listeners.changed(ids)
        back = [
            (TopicName(comment.video.topic), "comment_restored", {"comment": comment_json(comment)})
            for comment in found
        ]
        log.record_many(heads, back)
        for each, _, texts in others:
            each.bring_back(heads, texts)
        complaints.reopen(heads, entry.channel_id, entry)


def _deleted_by(entry: AuditEntry) -> QuerySet[Comment]:
    """Return the comments that an act has deleted, by an index: of its video, or of its person."""
    found = Comment.objects.filter(deletion=entry.id, deleted_at__isnull=False)
    return found.filter(video=entry.video_id) if entry.video_id else found.filter(author=entry.viewer_id)


def _topics(comments: QuerySet[Comment]) -> set[TopicName]:
    return {_topic(video_id) for video_id in comments.values_list("video_id", flat=True).distinct()}


def _topic(video_id: UUID) -> TopicName:
    return TopicName(f"video:{video_id}")
