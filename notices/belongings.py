"""What viewers have here: lines and choices. A guest who signs in takes the lines along; with an account they go.

Hop: beside the path, called by accounts.merging and accounts.removal (accounts.belongings).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.belongings import Belongings
from accounts.models import Viewer
from messaging.representation import user_topic
from notices.inbox import record
from notices.models import Notice, NoticeChoice, NoticeComment
from realtime.events import TopicName
from realtime.log import writer as log

# Of a video and kind there is one line that is not seen yet: the account's stays that.
_HAND_OVER = """
UPDATE notices_notice n SET viewer_id = %(account)s, seen_at = CASE WHEN EXISTS (
    SELECT FROM notices_notice mine WHERE mine.viewer_id = %(account)s AND mine.seen_at IS NULL
    AND (mine.video_id, mine.kind) = (n.video_id, n.kind)
) THEN coalesce(n.seen_at, statement_timestamp()) ELSE n.seen_at END
WHERE n.viewer_id = %(guest)s
"""
# What the guest has said to others is the account's: by its comments, which it has by now.
_HAND_OVER_SAID = """
UPDATE notices_noticecomment nc SET author_id = %(account)s FROM videos_comment c
WHERE c.author_id = %(account)s AND nc.comment_id = c.id AND nc.author_id = %(guest)s AND NOT EXISTS (
    SELECT FROM notices_noticecomment mine WHERE mine.notice_id = nc.notice_id AND mine.author_id = %(account)s
)
"""


class NoticesOfViewer(Belongings):
    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        topics = {user_topic(account_id)} if Notice.objects.filter(viewer=guest_id).exists() else set()
        log.ensure_topics(topics)
        return topics

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_HAND_OVER_SAID, {"guest": guest.id, "account": account.id})
            cursor.execute(_HAND_OVER, {"guest": guest.id, "account": account.id})
            if cursor.rowcount and user_topic(account.id) in heads:
                record(heads, [account.id])

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        with transaction.atomic():
            NoticeComment.objects.filter(notice__viewer=viewer_id).delete()
            Notice.objects.filter(viewer=viewer_id).delete()
            NoticeChoice.objects.filter(viewer=viewer_id).delete()

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        heard = Notice.objects.filter(viewer=viewer_id).order_by("at")
        chosen = NoticeChoice.objects.filter(viewer=viewer_id).order_by("kind", "way")
        return {
            "notices": heard.values("kind", "video_id", "at", "seen_at").iterator(),
            "notice_choices": chosen.values("kind", "way", "is_on", "changed_at").iterator(),
        }

    def are_left(self, viewer_id: UUID) -> bool:
        return any(rows.filter(viewer=viewer_id).exists() for rows in (Notice.objects, NoticeChoice.objects))
