"""What people's inboxes hold of this app: changed under the locks of their topics, and said to their open pages.

Called by all of this app that changes it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from messaging.representation import user_topic
from notices.models import Notice
from notices.reading import INBOX_PART, inbox_values
from realtime.log import writer as log


def lock(viewer_ids: Collection[UUID]) -> log.LockedHeads:
    """Lock the inboxes of people, in the order of names. Two queries."""
    topics = [user_topic(id) for id in viewer_ids]
    log.ensure_topics(topics)
    return log.lock_topics(topics)


def record(heads: log.LockedHeads, viewer_ids: Collection[UUID]) -> None:
    """Say to people's pages what there is now. Their inboxes are locked. Those who are gone are left out."""
    found = inbox_values(list(viewer_ids))
    log.record_many(heads, [(user_topic(id), INBOX_PART, {INBOX_PART: value}) for id, value in found.items()])


@transaction.atomic
def see(viewer_id: UUID, until: datetime, *, video_id: UUID | None = None) -> dict[str, Any]:
    """Note that somebody has seen all lines up to this time, or those of one video; return `{"unread",
    "counts_messages"}` as committed.

    A second call changes nothing and publishes nothing.
    """
    unseen = Notice.objects.filter(viewer=viewer_id, seen_at=None, at__lte=until)
    if video_id is not None:
        unseen = unseen.filter(video_id=video_id)
    if unseen.exists():
        heads = lock([viewer_id])
        if unseen.update(seen_at=Now(), is_due=False):
            record(heads, [viewer_id])
    return inbox_values([viewer_id])[viewer_id]
