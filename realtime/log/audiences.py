"""Whom a topic has had as viewers is needed only while more may come. Then their number stays, and the keys go.

Called by apps, which know when that is. In slices, each a short transaction.
"""

from __future__ import annotations

from django.db import connection, transaction

from realtime.events import TopicName
from realtime.models import Audience

ROWS_MAX = 5_000

_GONE = """
DELETE FROM realtime_seenviewer WHERE (topic_id, key) IN
(SELECT topic_id, key FROM realtime_seenviewer WHERE topic_id = %s LIMIT %s)
"""


def open_topics(prefix: str, after: str, limit: int) -> list[TopicName]:
    """Return topics of a prefix that keep the keys of their viewers, in the order of their names. One query."""
    names = Audience.objects.filter(is_open=True, topic_id__gt=max(after, f"{prefix}:"), topic_id__lt=f"{prefix};")
    return [TopicName(name) for name in names.order_by("topic_id").values_list("topic_id", flat=True)[:limit]]


def close(topic: TopicName) -> int:
    """Delete the keys of a topic's viewers, and take no more. Return how many there were.

    The viewers that come later are not counted among all that there were.
    """
    deleted, found = 0, ROWS_MAX
    while found == ROWS_MAX:
        # Locked, as where keys are written: none comes between the last slice and the end.
        with transaction.atomic(), connection.cursor() as cursor:
            list(Audience.objects.select_for_update().filter(topic_id=topic))
            cursor.execute(_GONE, [topic, ROWS_MAX])
            found = cursor.rowcount
            deleted += found
            if found < ROWS_MAX:
                Audience.objects.filter(topic_id=topic).update(is_open=False)
    return deleted
