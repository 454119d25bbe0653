"""What a guest who signs in has here: likes, comments, videos. Of two likes for one video the account's stays.

Hop: beside the path, called by accounts.merging in its transaction, with all topics locked.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from accounts.belongings import Belongings
from accounts.models import Viewer
from accounts.representation import with_picture
from moderation.roles import MARKED, role_in
from realtime.events import TopicName
from realtime.log import writer as log
from videos import channel_emoji, held
from videos.models import Comment, Like, LikeCount, Video
from videos.representation import likes_json, role_of, video_json
from web.statements import rows

_TAKE_BACK = """
WITH gone AS (
    DELETE FROM videos_like l USING videos_like mine
    WHERE l.viewer_id = %s AND mine.viewer_id = %s AND mine.video_id = l.video_id RETURNING l.video_id, l.kind
  )
UPDATE videos_likecount c SET count = count - 1 FROM gone WHERE c.video_id = gone.video_id AND c.kind = gone.kind
RETURNING c.video_id
"""


class VideosOfGuest(Belongings):
    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        liked = Like.objects.filter(viewer_id=guest_id).values_list("video_id", flat=True)
        commented = Comment.objects.filter(author_id=guest_id).values_list("video_id", flat=True)
        made = Video.objects.filter(owner_id=guest_id).values_list("id", flat=True)
        return {TopicName(f"video:{id}") for id in {*liked, *commented, *made}} | held.topics_of(guest_id)

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        _hand_over_likes(guest, account, heads)
        _hand_over_comments(guest, account, heads)
        held.hand_over(guest, account, heads)
        _hand_over_videos(guest, account, heads)
        channel_emoji.hand_over(guest, account)


def _hand_over_likes(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    changed = {id for (id,) in rows(_TAKE_BACK, [guest.id, account.id])}
    Like.objects.filter(viewer=guest).update(viewer=account)
    for id in sorted(changed):
        kinds = likes_json(dict(LikeCount.objects.filter(video=id).values_list("kind", "count")))["kinds"]
        log.record_counters(heads[TopicName(f"video:{id}")], kinds)


def _hand_over_comments(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    shown = Comment.objects.filter(author=guest, deleted_at=None)
    videos = Video.objects.filter(id__in=set(shown.values_list("video_id", flat=True))).order_by("id")
    # An author has each client_id once; it was for repeating a comment that may have been lost.
    Comment.objects.filter(author=guest).update(author=account, client_id=None)
    for video in videos:
        is_owner = video.owner_id in (guest.id, account.id)
        role = role_of(
            account.id,
            is_moderator=role_in(video.owner_id, account) in MARKED,
            owner_id=account.id if is_owner else video.owner_id,
        )
        data = {"merged": {"from": str(guest.id), "viewer": {**with_picture(account), "role": role}}}
        log.record(heads[TopicName(video.topic)], "merged", data)


def _hand_over_videos(guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
    videos = list(Video.objects.filter(owner=guest))
    for video in videos:
        video.owner = account
        video.save(update_fields=["owner"])
        log.record(heads[TopicName(video.topic)], "video", {"video": video_json(video)})
    if videos:
        Viewer.objects.filter(id=account.id).update(is_broadcaster=True)
