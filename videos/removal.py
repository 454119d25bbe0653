"""Taking videos away for good, and what viewers have left at them: in short transactions, for which nobody waits.

Hop: beside the path, called by the admin. Interrupted at any point, each can be called again. Viewers get events:
the nodes see that a topic is gone and say `bye`, deleted comments are events, totals come with the next reconcile.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.belongings import Belongings
from accounts.models import Viewer
from moderation import complaints
from moderation.models import Complaint
from realtime.events import TopicName
from realtime.log.retention import delete_topics, empty_topics
from realtime.log.writer import correct_counters, lock_topics
from videos import broadcasts, held, listeners, moderation
from videos.attachments import attachments, topics_of
from videos.media import remove_pictures
from videos.models import ChannelEmoji, Comment, CommentVersion, DeletedVideo, HeldComment, Like, Pin, Video
from web.quick_lists import at_most, bounded_count
from web.refusals import Conflict, NotFound

logger = logging.getLogger(__name__)

ROWS_MAX = 5_000  # of one statement, far from the statement timeout
COMMENTS_MAX = 500  # of one transaction that holds a topic's lock
LIKES_MAX = 100  # of one transaction: each locks a topic

_LIKES_OF_VIDEO = """
DELETE FROM videos_like WHERE (video_id, viewer_id) IN
(SELECT video_id, viewer_id FROM videos_like WHERE video_id = %s LIMIT %s)
"""
# The newest first: an answer goes before what it answers.
_COMMENTS_OF_VIDEO = """
WITH gone AS (SELECT id FROM videos_comment WHERE video_id = %s ORDER BY seq DESC LIMIT %s),
  versions AS (DELETE FROM videos_commentversion WHERE comment_id IN (SELECT id FROM gone))
DELETE FROM videos_comment WHERE id IN (SELECT id FROM gone)
"""
_TIMELINE_OF_VIDEO = """
DELETE FROM videos_timelinestep WHERE (video_id, at) IN
(SELECT video_id, at FROM videos_timelinestep WHERE video_id = %s LIMIT %s)
"""
_TAKE_BACK = """
WITH gone AS (DELETE FROM videos_like WHERE viewer_id = %s AND video_id = ANY(%s) RETURNING video_id, kind)
UPDATE videos_likecount c SET count = count - 1 FROM gone WHERE c.video_id = gone.video_id AND c.kind = gone.kind
"""

# What a copy for the owner of an account says
_OF_VIDEO = ("id", "title", "description", "visibility", "created_at", "starts_at", "started_at", "ended_at")
_OF_COMMENT = ("id", "video_id", "video__title", "body", "created_at", "deleted_at")
_OF_HELD = ("id", "kind", "video_id", "video__title", "body", "created_at")
_OF_LIKE = ("video_id", "video__title", "kind", "created_at")


def delete_video(video_id: UUID, actor: Viewer) -> None:
    """Delete a video and everything of it, its topic and its pictures last. Raises NotFound, Forbidden.

    It is ended and made private first: from then on nothing is added and viewers get `bye`.
    """
    video = Video.objects.filter(id=video_id).first()
    if video is None:
        raise NotFound("There is no such video.")
    broadcasts.close_video(video_id, actor)
    held.forget(HeldComment.everything.filter(video=video_id))
    complaints.forget(Complaint.objects.filter(channel=video.owner_id, video_id=video_id))
    _delete_rows(_LIKES_OF_VIDEO, video_id)
    Pin.objects.filter(video_id=video_id).delete()
    _delete_rows(_COMMENTS_OF_VIDEO, video_id)
    listeners.gone(video_id)
    _delete_rows(_TIMELINE_OF_VIDEO, video_id)
    for attached in attachments:
        attached.take_away(video_id)
    topics = topics_of(video_id)
    empty_topics(topics)
    with transaction.atomic():
        lock_topics(topics)
        # Before all other rows: a look or a node may write steps of its timeline while those are deleted.
        list(Video.objects.select_for_update().filter(id=video_id).values("id"))
        Video.objects.filter(id=video_id).delete()
        delete_topics(topics)
        DeletedVideo.objects.bulk_create([DeletedVideo(id=video_id)], ignore_conflicts=True)
        transaction.on_commit(lambda: remove_pictures(video_id))
    logger.info("%s deleted by %s", video.topic, actor.id)


def _delete_rows(statement: str, owner: UUID | str) -> None:
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, [owner, ROWS_MAX])
            if cursor.rowcount < ROWS_MAX:
                return


class VideosOfViewer(Belongings):
    """What goes with an account that is deleted: its likes and its comments. Videos have to go before."""

    def check_removal(self, viewer_id: UUID) -> None:
        if Video.objects.filter(owner_id=viewer_id).exists():
            reason = "This account has videos. Delete them first, or make the account inactive."
            raise Conflict(reason, code="has_videos")

    def links(self, viewer: Viewer) -> Sequence[tuple[str, str]]:
        videos, comments = viewer.videos.count(), bounded_count(viewer.comments.all())
        texts = {
            "video": ngettext("%(count)s video", "%(count)s videos", videos) % {"count": f"{videos:,}"},
            "comment": ngettext("%(count)s comment", "%(count)s comments", comments) % {"count": at_most(comments)},
        }
        return [(f"{reverse(f'admin:videos_{name}_changelist')}?q={viewer.pk}", text) for name, text in texts.items()]

    def counts(self, viewers: Sequence[Viewer]) -> Mapping[str, str]:
        return {_("comments"): at_most(bounded_count(Comment.objects.filter(author__in=viewers)))}

    def in_the_way(self, viewers: Sequence[Viewer]) -> Sequence[str]:
        return [
            format_html(
                '{}: <a href="{}">{}</a>', video.owner, reverse("admin:videos_video_change", args=[video.pk]), video
            )
            for video in Video.objects.filter(owner__in=viewers).select_related("owner")[:20]
        ]

    def take_some(self, viewer_id: UUID, actor: Viewer) -> bool:
        if _take_back_likes(viewer_id) or _delete_comments(viewer_id, actor):
            return True
        held.forget(HeldComment.everything.filter(author=viewer_id))
        held.forget_channel(viewer_id)
        ChannelEmoji.objects.filter(owner=viewer_id).delete()
        return False

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        waiting = HeldComment.objects.filter(author_id=viewer_id).order_by("id")
        return {
            "videos": Video.objects.filter(owner_id=viewer_id).order_by("id").values(*_OF_VIDEO).iterator(),
            # Who is under a shadow does not learn of it from this file.
            "comments": chain(
                _comments(viewer_id).order_by("id").values(*_OF_COMMENT).iterator(),
                waiting.filter(held.UNDER_SHADOW).values(*_OF_HELD).iterator(),
            ),
            "held_comments": waiting.exclude(held.UNDER_SHADOW).values(*_OF_HELD).iterator(),
            "emoji": (
                {"code": emoji.code, "created_at": emoji.created_at, "picture": b64encode(emoji.data).decode()}
                for emoji in ChannelEmoji.objects.filter(owner_id=viewer_id).order_by("code")
            ),
            "likes": Like.objects.filter(viewer_id=viewer_id).values(*_OF_LIKE).iterator(),
        }

    def give_up(self, viewer: Viewer) -> None:
        for video_id in list(Video.objects.filter(owner=viewer).values_list("id", flat=True)):
            delete_video(video_id, viewer)

    def are_left(self, viewer_id: UUID) -> bool:
        kept = (Like.objects.filter(viewer=viewer_id), HeldComment.everything.filter(author=viewer_id))
        return any(rows.exists() for rows in (*kept, _comments(viewer_id)))


def _comments(viewer_id: UUID) -> Any:
    return Comment.objects.filter(author_id=viewer_id)


def _take_back_likes(viewer_id: UUID) -> bool:
    """Take some of a viewer's likes back. Return whether there were any."""
    liked = Like.objects.filter(viewer_id=viewer_id).values_list("video_id", flat=True)
    video_ids = list(liked[:LIKES_MAX])
    topics = [TopicName(f"video:{video_id}") for video_id in video_ids]
    with transaction.atomic(), connection.cursor() as cursor:
        lock_topics(topics)
        cursor.execute(_TAKE_BACK, [viewer_id, video_ids])
        correct_counters(topics)
    return bool(video_ids)


def _delete_comments(viewer_id: UUID, actor: Viewer) -> bool:
    """Delete some of a viewer's comments. Return whether there were any."""
    written = _comments(viewer_id).order_by("video_id", "seq").values_list("video_id", "id")
    found = list(written[:COMMENTS_MAX])
    for video_id, rows in groupby(found, key=lambda row: row[0]):
        moderation.erase_comments(video_id, [comment_id for _, comment_id in rows], actor, author_id=viewer_id)
    ids = [comment_id for _, comment_id in found]
    with transaction.atomic(), connection.cursor() as cursor:
        Comment.objects.filter(reply_to_id__in=ids).update(reply_to=None)
        for part in (Pin, CommentVersion):
            part.objects.filter(comment_id__in=ids).delete()
        cursor.execute("DELETE FROM videos_comment WHERE id = ANY(%s)", [ids])
    return bool(ids)
