"""The timeline of a video: what happened in each step of 5 seconds. Written here, read by videos.replay.

Hop: beside the path. A periodic job looks at all live videos; each node adds the reactions that it has published.
Likes are those that the video has when the job looks. Comments are counted again for the last minutes, so late ones
and deletions are in. A look may be repeated: it writes the same. A step in which nothing is new has no row.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Q

from realtime.events import TopicName
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_redis, shared_table
from realtime.table.scripts import TableUnavailable
from videos.models import Video

logger = logging.getLogger(__name__)

STEP = timedelta(seconds=5)
LATE = timedelta(minutes=2)
"""How long after a step what happened in it may still come."""
FLUSH_SECONDS = 3.0

# Rows in order of the key: a look and a node that write the same steps must not wait for each other in a circle. The
# videos are held: if one was deleted before the commit, the steps of all the others would be lost with its own.
_LOOK = """
WITH asked AS (
    SELECT a.video_id, a.viewers,
      (SELECT likes FROM videos_timelinestep s WHERE s.video_id = a.video_id AND likes IS NOT NULL
       ORDER BY at DESC LIMIT 1) AS known_likes,
      (SELECT viewers FROM videos_timelinestep s WHERE s.video_id = a.video_id AND viewers IS NOT NULL
       ORDER BY at DESC LIMIT 1) AS known_viewers,
      (SELECT jsonb_object_agg(kind, count) FROM videos_likecount c
       WHERE c.video_id = a.video_id AND count > 0) AS likes
    FROM unnest(%(ids)s::uuid[], %(viewers)s::integer[]) AS a (video_id, viewers)
    JOIN videos_video v ON v.id = a.video_id ORDER BY v.id FOR KEY SHARE OF v
  ), standing AS (
    SELECT video_id, %(step)s::timestamptz AS at,
      nullif(coalesce(likes, '{}'), coalesce(known_likes, '{}')) AS likes,
      nullif(viewers, coalesce(known_viewers, 0)) AS viewers
    FROM asked
  ), written AS (
    SELECT video_id, date_bin('5 seconds', c.created_at, to_timestamp(0)) AS at,
      count(*) FILTER (WHERE c.deleted_at IS NULL) AS comments
    FROM asked JOIN videos_comment c USING (video_id) WHERE c.created_at >= %(late)s GROUP BY 1, 2
  )
INSERT INTO videos_timelinestep AS step (video_id, at, likes, viewers, comments, reactions)
SELECT video_id, at, likes, viewers, coalesce(comments, 0), '{}' FROM standing FULL JOIN written USING (video_id, at)
WHERE num_nonnulls(likes, viewers, comments) > 0 ORDER BY video_id, at
ON CONFLICT (video_id, at) DO UPDATE SET likes = coalesce(excluded.likes, step.likes),
  viewers = greatest(step.viewers, excluded.viewers), comments = excluded.comments
WHERE (step.likes, step.viewers, step.comments) IS DISTINCT FROM
  (coalesce(excluded.likes, step.likes), greatest(step.viewers, excluded.viewers), excluded.comments)
"""
_ADD_REACTIONS = """
INSERT INTO videos_timelinestep AS step (video_id, at, comments, reactions)
SELECT burst.video_id, burst.at, 0, burst.reactions
FROM unnest(%s::uuid[], %s::timestamptz[], %s::jsonb[]) AS burst (video_id, at, reactions)
JOIN videos_video v ON v.id = burst.video_id ORDER BY 1, 2 FOR KEY SHARE OF v
ON CONFLICT (video_id, at) DO UPDATE SET reactions = (
    SELECT jsonb_object_agg(key, count) FROM (
      SELECT key, sum(value::bigint) AS count FROM (
        SELECT * FROM jsonb_each_text(step.reactions) UNION ALL SELECT * FROM jsonb_each_text(excluded.reactions)
      ) AS both_of_them GROUP BY key
    ) AS summed
  )
"""


def step_of(moment: datetime) -> datetime:
    """Return when the step of a moment begins."""
    return moment - timedelta(seconds=moment.timestamp() % STEP.total_seconds())


def look(now: datetime) -> int:
    """Write what is new at videos that are live, or have just ended; return how many steps were written.

    One statement for all of them, and one round trip to the shared table. If nobody has looked for longer than `LATE`,
    the comments of that time are in no step.
    """
    recent = Q(status=Video.Status.LIVE) | Q(status=Video.Status.ENDED, ended_at__gt=now - LATE)
    found = dict(Video.objects.filter(recent).values_list("id", "status"))
    if not found:
        return 0
    watched = asyncio.run(_viewers([id for id, status in found.items() if status == Video.Status.LIVE]))
    with connection.cursor() as cursor:
        cursor.execute(
            _LOOK,
            {
                "ids": list(found),
                "viewers": [watched.get(id) for id in found],
                "step": step_of(now),
                "late": step_of(now - LATE),
            },
        )
        return int(cursor.rowcount)


async def _viewers(ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many watch each video. Without the shared table: of none it is known."""
    topics = {TopicName(f"video:{id}"): id for id in ids}
    try:
        watched = await shared_table().watched(list(topics))
        return {id: watched[topic].count for topic, id in topics.items()}
    except TableUnavailable:
        return {}
    finally:
        await shared_redis().aclose()


class ReactionTally:
    """Counts the reactions that this process publishes, and adds them to the timelines every few seconds.

    So a tap costs no round trip. What is not written yet is lost with the process. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[UUID, datetime], Counter[str]] = {}
        self._flushing: asyncio.Task[None] | None = None

    def add(self, video_id: UUID, kind: str, count: int, *, at_ms: int) -> None:
        step = step_of(datetime.fromtimestamp(at_ms / 1000, UTC))
        self._counts.setdefault((video_id, step), Counter())[kind] += count
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_later(), name="reactions")

    async def _flush_later(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        await self.flush()

    async def flush(self) -> None:
        """Write what has been counted. If the database is away it is lost: it would come long after its moment."""
        counts, self._counts = self._counts, {}
        try:
            await backend_threads.run(_add_reactions, counts)
        except StoreUnavailable as error:
            logger.warning("timelines: reactions at %d steps are lost: %s", len(counts), error)


def _add_reactions(counts: Mapping[tuple[UUID, datetime], Counter[str]]) -> None:
    ids, steps = [id for id, _ in counts], [step for _, step in counts]
    with connection.cursor() as cursor:
        cursor.execute(_ADD_REACTIONS, [ids, steps, [orjson.dumps(each).decode() for each in counts.values()]])


reaction_tally = ReactionTally()
