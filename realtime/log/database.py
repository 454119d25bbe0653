"""The node's store on PostgreSQL through Django.

Hop: beside the path; called by the frontend node only. Its queries run in threads of its own, so a slow database delays
no frames. An answer that does not come in time is an error.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, transaction

from realtime.batches import Batches
from realtime.events import Counters, Durable, TopicName, compact_json
from realtime.identity import Identity
from realtime.kinds import Rechecks, Review, TopicKind
from realtime.log.changes import changes, confirmed_changes
from realtime.log.epoch import epoch
from realtime.log.store import Changes, Head, Heads, Loaded, Mark, StoreUnavailable, TopicGone
from realtime.log.threads import DatabaseThreads
from realtime.models import Audience, LoggedEvent, Topic
from realtime.registry import Registry

P = ParamSpec("P")
T = TypeVar("T")

ANSWER_SECONDS = 5.0
CONFIRM_SECONDS = 30.0
LOAD_MAX_TOPICS = 100
PEAKS_MAX_TOPICS = 500  # whose writers wait for one statement
SEEN_MAX = 131_072  # viewers of a topic that are kept; if there are more, only those of the next level

# One statement each, for any number of topics and viewers. Which keys a level keeps:
# realtime.table.counting.is_sampled.
_KEEP_SEEN = """
WITH seen AS (SELECT * FROM unnest(%s::text[], %s::bigint[]) AS t(topic_id, key)),
  new AS (
    INSERT INTO realtime_seenviewer (topic_id, key)
    SELECT seen.topic_id, seen.key FROM seen JOIN realtime_audience a USING (topic_id)
    WHERE a.is_open AND seen.key & ((1::bigint << a.level) - 1) = 0
    ON CONFLICT DO NOTHING RETURNING topic_id
  )
UPDATE realtime_audience a SET kept = a.kept + counted.number
FROM (SELECT topic_id, count(*) AS number FROM new GROUP BY topic_id) counted WHERE a.topic_id = counted.topic_id
"""
_THIN_SEEN = """
WITH gone AS (
    DELETE FROM realtime_seenviewer s USING realtime_audience a
    WHERE a.topic_id = %s AND s.topic_id = a.topic_id AND s.key & ((1::bigint << (a.level + 1)) - 1) <> 0
    RETURNING 1
  )
UPDATE realtime_audience SET level = level + 1, kept = kept - (SELECT count(*) FROM gone) WHERE topic_id = %s
"""

# Locked in the order of names, as all code that locks several topics does.
_SAVE_PEAKS = """
WITH higher AS (
    SELECT t.name, new.peak FROM realtime_topic t JOIN unnest(%s::text[], %s::bigint[]) AS new (name, peak) USING (name)
    WHERE t.viewers_peak < new.peak ORDER BY t.name FOR NO KEY UPDATE OF t
  )
UPDATE realtime_topic t SET viewers_peak = higher.peak
FROM higher WHERE t.name = higher.name AND t.viewers_peak < higher.peak
"""
_NEWEST = """
SELECT newest.* FROM unnest(%s::text[]) asked (name) CROSS JOIN LATERAL (
    SELECT topic_id, seq, name, data::text, thing FROM realtime_loggedevent
    WHERE topic_id = asked.name ORDER BY seq DESC LIMIT %s
  ) newest
"""


class DatabaseStore:
    """Implements realtime.log.store.Store.

    `replica` is the alias of a read replica (settings.DATABASES). A node asks again and again what it has missed, and
    the primary may be far away, so the replica answers this. A replica is late. If it is behind what the node knows, it
    has no news. If it does not have a topic, the primary is asked. Only the primary knows whether something has gone
    back, and whether the history is still the same (`epoch`). The primary is asked with a look for changes every
    `CONFIRM_SECONDS` (`changes`, and `heads` up to the next look), and whenever the replica does not answer.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        replica: str = DEFAULT_DB_ALIAS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._replica = replica
        self._clock = clock
        self._confirmed_at = clock()
        self._is_confirming = replica == DEFAULT_DB_ALIAS
        self._registry = registry
        self._loads: dict[str, Batches[TopicName, Loaded]] = {}
        self._threads = DatabaseThreads(2, answer_seconds=ANSWER_SECONDS, name="node-database")

    async def load(self, topic: TopicName) -> Loaded:
        prefix, _, _ = topic.partition(":")
        if prefix not in self._loads:
            load = partial(self._load, self._registry.kinds[prefix])
            self._loads[prefix] = Batches(partial(self._threads.run, load), keys_max=LOAD_MAX_TOPICS)
        loaded = await self._loads[prefix].ask(topic)
        if loaded is None:
            raise TopicGone(topic)
        return loaded

    async def changes(self, since: Mark) -> Changes:
        if self._replica == DEFAULT_DB_ALIAS:
            return await self._threads.run(confirmed_changes, since)
        self._is_confirming = self._clock() - self._confirmed_at >= CONFIRM_SECONDS
        if not self._is_confirming:
            with contextlib.suppress(StoreUnavailable):
                return await self._threads.run(changes, self._replica, since)
        found = await self._threads.run(confirmed_changes, since)
        self._confirmed_at = self._clock()
        # The replica may not have yet what the primary has shown: its own looks go on from where they were.
        return replace(found, until=Mark(found.until.epoch) if found.is_all else since)

    async def heads(self, known: Mapping[TopicName, Head]) -> Heads:
        if self._is_confirming:
            return await self._threads.run(self._confirmed_heads, known)
        found = await self._read(self._heads, list(known))
        if absent := known.keys() - found.keys():
            found |= await self._threads.run(self._heads, DEFAULT_DB_ALIAS, list(absent))
        return Heads(
            {
                topic: Head(max(head.seq, known[topic].seq), max(head.version, known[topic].version))
                for topic, head in found.items()
            }
        )

    async def newest_counters(self, topics: Sequence[TopicName]) -> Mapping[TopicName, Counters]:
        return await self._read(self._counters, topics)

    async def events_after(self, topic: TopicName, seq: int, *, limit: int) -> Sequence[Durable]:
        return await self._read(events_after, topic, seq, limit)

    async def _read(self, read: Callable[Concatenate[str, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `read` finds in the replica, or in the primary if the replica does not answer."""
        try:
            return await self._threads.run(read, self._replica, *args, **kwargs)
        except StoreUnavailable:
            if self._replica == DEFAULT_DB_ALIAS:
                raise
            return await self._threads.run(read, DEFAULT_DB_ALIAS, *args, **kwargs)

    async def snapshots(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        prefix, _, _ = topics[0].partition(":")
        return await self._threads.run(self._registry.kinds[prefix].load_all, topics)

    async def review(self, identities: Sequence[Identity]) -> Review:
        if self._registry.review is None:
            return Review()
        return await self._threads.run(self._registry.review, identities)

    async def rechecks(self, since: str) -> Rechecks:
        if self._registry.rechecks is None:
            return Rechecks(is_all=True)
        return await self._threads.run(self._registry.rechecks, since)

    async def save_last_active(self, at_ms: Mapping[str, int]) -> None:
        if self._registry.save_last_active is not None:
            await self._threads.run(self._registry.save_last_active, at_ms)

    async def save_seen(self, seen: Mapping[TopicName, Sequence[int]]) -> Mapping[TopicName, int]:
        return await self._threads.run(self._save_seen, seen)

    async def save_peaks(self, peaks: Mapping[TopicName, int]) -> None:
        await self._threads.run(save_peaks, peaks)

    @staticmethod
    def _load(kind: TopicKind, topics: Sequence[TopicName]) -> dict[TopicName, Loaded]:
        """Return those of the topics that exist. All are of one kind."""
        now = epoch()
        with one_moment():
            logged = topics if kind.kept_events else ()
            heads = {TopicName(head.name): head for head in Topic.objects.filter(name__in=logged)}
            there = [topic for topic in topics if topic in heads] if kind.is_logged else topics
            snapshots = kind.load_all(there)
            counters = kind.counters(list(snapshots), DEFAULT_DB_ALIAS) if kind.counter else {}
            loaded = {}
            for topic, snapshot in snapshots.items():
                head = heads.get(topic)
                found = loaded[topic] = Loaded(Head(0, 0), snapshot, counters.get(topic), epoch=now)
                if head is not None:
                    found.head, found.viewers_peak = Head(head.seq, head.version), head.viewers_peak
            begun = [topic for topic, found in loaded.items() if found.head.seq]
            if begun and not kind.is_inbox:
                for event in newest_events(begun, kind.kept_events):
                    loaded[event.topic].log.append(event)
        for found in loaded.values():
            found.log.sort(key=attrgetter("seq"))
        return loaded

    def _confirmed_heads(self, known: Mapping[TopicName, Head]) -> Heads:
        now = epoch()
        heads = self._heads(DEFAULT_DB_ALIAS, list(known))
        if any(head.seq < known[topic].seq or head.version < known[topic].version for topic, head in heads.items()):
            # A history never goes back. What is loaded next must not get the old epoch, which may be kept: its viewers
            # would be reset twice.
            epoch.forget()
        return Heads(heads, now)

    @staticmethod
    def _heads(database: str, topics: Sequence[TopicName]) -> dict[TopicName, Head]:
        with connections[database].cursor() as cursor:
            # One array instead of a parameter for each: it takes a quarter of the time when each viewer has an inbox.
            cursor.execute("SELECT name, seq, version FROM realtime_topic WHERE name = ANY(%s)", [list(topics)])
            return {TopicName(name): Head(seq, version) for name, seq, version in cursor.fetchall()}

    def _counters(self, database: str, topics: Sequence[TopicName]) -> dict[TopicName, Counters]:
        found: dict[TopicName, Mapping[str, int]] = {}
        with one_moment(database):
            versions = dict(Topic.objects.using(database).filter(name__in=topics).values_list("name", "version"))
            for prefix in {topic.partition(":")[0] for topic in topics}:
                own = [topic for topic in topics if topic.startswith(f"{prefix}:")]
                found.update(self._registry.kinds[prefix].counters(own, database))
        return {topic: Counters(topic, versions[topic], kinds) for topic, kinds in found.items() if topic in versions}

    def _save_seen(self, seen: Mapping[TopicName, Sequence[int]]) -> dict[TopicName, int]:
        topics = list(Topic.objects.filter(name__in=seen).values_list("name", flat=True))
        pairs = [(topic, key) for topic in topics for key in sorted(seen[TopicName(topic)])]
        try:
            return self._keep_seen(topics, pairs)
        except IntegrityError:
            return {}  # a topic was deleted meanwhile: the viewers of the others are sent again

    def _keep_seen(self, topics: Sequence[str], pairs: Sequence[tuple[str, int]]) -> dict[TopicName, int]:
        with transaction.atomic(), connection.cursor() as cursor:
            Audience.objects.bulk_create((Audience(topic_id=topic) for topic in topics), ignore_conflicts=True)
            # Locked in the order of names, as all code that locks several topics does.
            rows = Audience.objects.select_for_update().filter(topic_id__in=topics).order_by("topic_id")
            list(rows)
            cursor.execute(_KEEP_SEEN, [[topic for topic, _ in pairs], [key for _, key in pairs]])
            levels = {}
            for row in rows.all():
                if row.kept > SEEN_MAX:
                    cursor.execute(_THIN_SEEN, [row.topic_id, row.topic_id])
                    row.level += 1
                levels[TopicName(row.topic_id)] = row.level
        return levels


@contextmanager
def one_moment(database: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Run the queries inside on one snapshot of the database: what they return belongs together."""
    with transaction.atomic(database):
        if len(connections[database].savepoint_ids) == 0:
            with connections[database].cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def events_after(database: str, topic: TopicName, seq: int, limit: int) -> list[Durable]:
    """Return up to `limit` durable events of the topic with a greater seq, in order."""
    events = LoggedEvent.objects.using(database).filter(topic_id=topic, seq__gt=seq).order_by("seq")[:limit]
    return [_durable(event) for event in events]


def newest_events(topics: Sequence[TopicName], most: int) -> list[Durable]:
    """Return up to `most` of the newest durable events of each topic, in any order. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [list(topics), most])
        return [
            Durable(TopicName(topic), seq, name, compact_json(orjson.loads(data)), thing)
            for topic, seq, name, data, thing in cursor.fetchall()
        ]


def save_peaks(peaks: Mapping[TopicName, int]) -> None:
    """Keep the highest number of viewers of each topic, `PEAKS_MAX_TOPICS` in a statement."""
    topics = sorted(peaks)
    with connection.cursor() as cursor:
        for start in range(0, len(topics), PEAKS_MAX_TOPICS):
            some = topics[start : start + PEAKS_MAX_TOPICS]
            cursor.execute(_SAVE_PEAKS, [some, [peaks[topic] for topic in some]])


def _durable(event: LoggedEvent) -> Durable:
    return Durable(TopicName(event.topic_id), event.seq, event.name, compact_json(event.data), event.thing)
