"""A guest who signs in: what they did becomes the account's, in one transaction, and everybody concerned reads of it.

Hop: beside the path, called by the sign-in. Other parts of the site add what they keep of a viewer to `belongings` at
start. The guest stays as an inactive row that nothing belongs to: its tokens and streams end by that.

Locks come in the order that everybody has: all topics, by name, then rows. The guest's own row is not locked for
writing its key: who writes as the guest meanwhile holds it, and waits for a topic.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from django.db import connection, transaction

from accounts.models import Viewer
from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import Comment, Like, LikeCount, Video
from videos.representation import likes_json, person, role_of, video_json
from videos.rights import may_moderate

logger = logging.getLogger(__name__)


_TAKE_BACK = """
WITH gone AS (
    DELETE FROM videos_like l USING videos_like mine
    WHERE l.viewer_id = %s AND mine.viewer_id = %s AND mine.video_id = l.video_id RETURNING l.video_id, l.kind
  )
UPDATE videos_likecount c SET count = count - 1 FROM gone WHERE c.video_id = gone.video_id AND c.kind = gone.kind
RETURNING c.video_id
"""


class Belongings(Protocol):
    """What another part of the site keeps of a viewer."""

    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        """Return the topics that `hand_over` tells of something, made where there was none."""
        ...

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        """Make the guest's things the account's. In the transaction; the topics are locked."""
        ...


belongings: list[Belongings] = []


@transaction.atomic
def merge(guest: Viewer, account: Viewer) -> None:
    """Make all that the guest has the account's; of two likes for one video the account's stays."""
    topics = {TopicName(f"video:{id}") for id in _videos_of(guest)}
    for kept in belongings:
        topics |= set(kept.topics(guest.id, account.id))
    heads = log.lock_topics(topics)
    if not Viewer.objects.filter(id=guest.id, is_active=True).update(is_active=False):
        return
    _hand_over_likes(guest, account, heads)
    _hand_over_comments(guest, account, heads)
    _hand_over_videos(guest, account, heads)
    for kept in belongings:
        kept.hand_over(guest, account, heads)
    logger.info("guest %s has become %s", guest.id, account.id)


def _videos_of(guest: Viewer) -> set[UUID]:
    """Return the videos that the guest has liked, commented on or made."""
    liked = Like.objects.filter(viewer=guest).values_list("video_id", flat=True)
    commented = Comment.objects.filter(author=guest).values_list("video_id", flat=True)
    return {*liked, *commented, *Video.objects.filter(owner=guest).values_list("id", flat=True)}


def _hand_over_likes(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, [guest.id, account.id])
        changed = {id for (id,) in cursor.fetchall()}
    Like.objects.filter(viewer=guest).update(viewer=account)
    for id in sorted(changed):
        kinds = likes_json(dict(LikeCount.objects.filter(video=id).values_list("kind", "count")))["kinds"]
        log.record_totals(heads[TopicName(f"video:{id}")], kinds)


def _hand_over_comments(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    shown = Comment.objects.filter(author=guest, deleted_at=None)
    videos = Video.objects.filter(id__in=set(shown.values_list("video_id", flat=True))).order_by("id")
    # An author has each client_id once; it was for repeating a comment that may have been lost.
    Comment.objects.filter(author=guest).update(author=account, client_id=None)
    for video in videos:
        is_owner = video.owner_id in (guest.id, account.id)
        role = role_of(
            account.id,
            is_moderator=may_moderate(video, account),
            owner_id=account.id if is_owner else video.owner_id,
        )
        data = {"merged": {"from": str(guest.id), "viewer": {**person(account), "role": role}}}
        log.record(heads[TopicName(video.topic)], "merged", data)


def _hand_over_videos(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    videos = list(Video.objects.filter(owner=guest))
    for video in videos:
        video.owner = account
        video.save(update_fields=["owner"])
        log.record(heads[TopicName(video.topic)], "video", {"video": video_json(video)})
    if videos:
        Viewer.objects.filter(id=account.id).update(is_broadcaster=True)
