"""The event log's writing side: topics and their heads, and durable events, each a row.

Hop: apps call it inside the transaction that makes an event true. The event is published after the commit, never
before. Nothing else writes the tables of topics and events. There are two kinds of transactions and one order: `record`
is for Django's, `write` for a group commit's own connection. Both lock the topic's row first (`LOCK`), so the events of
a topic commit in the order of their `seq`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from realtime.dispatch.publisher import publisher
from realtime.events import Counters, Durable, Event, TopicName, now_ms
from realtime.log import things
from realtime.models import Topic
from realtime.registry import registry


@dataclass(slots=True)
class LockedHead:
    """The head of a topic under its row lock. The code that holds the lock may move the head. `write` stores it."""

    topic: TopicName
    seq: int
    version: int

    def next_seq(self) -> int:
        """Return the number of the topic's next durable event."""
        self.seq += 1
        return self.seq

    def next_version(self) -> int:
        """Return the version of the topic's next counters."""
        self.version += 1
        return self.version


LockedHeads = Mapping[TopicName, LockedHead]

# In the order of names. So two transactions with the same topics do not wait for each other for ever.
LOCK = "SELECT name, seq, version FROM realtime_topic WHERE name = ANY(%s) ORDER BY name FOR UPDATE"


def locked(rows: Iterable[Sequence[Any]]) -> dict[TopicName, LockedHead]:
    """Return the heads that a connection outside Django has read with `LOCK`."""
    return {TopicName(row[0]): LockedHead(*row) for row in rows}


def create_topic(topic: TopicName) -> None:
    """Make the topic's row, in the transaction that makes the thing that the topic is about."""
    Topic.objects.create(name=topic)


def ensure_topics(topics: Iterable[TopicName]) -> None:
    """Make the rows of topics that have had no event so far. One query. Existing rows stay as they are."""
    Topic.objects.bulk_create([Topic(name=topic) for topic in sorted(topics)], ignore_conflicts=True)


def lock_topics(topics: Iterable[TopicName]) -> dict[TopicName, LockedHead]:
    """Take the topics' row locks. The rest of this transaction then comes after all events that have a seq already.

    Topics without a row are left out. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(topics)])
        return locked(cursor.fetchall())


def record(head: LockedHead, name: str, data: Mapping[str, Any]) -> Durable:
    """Append an event to a locked topic, inside `transaction.atomic()`; it is published after the commit.

    `data` is the event without `topic`, `seq` and `at_ms`; JSON only.
    """
    [event] = record_all(head, name, [data])
    return event


def record_all(head: LockedHead, name: str, items: Sequence[Mapping[str, Any]]) -> list[Durable]:
    """Append any number of events of one name, as `record` does, in two queries."""
    return record_many({head.topic: head}, [(head.topic, name, data) for data in items])


def record_many(heads: LockedHeads, items: Sequence[tuple[TopicName, str, Mapping[str, Any]]]) -> list[Durable]:
    """Append events, each `(topic, name, data)`, to locked topics, as `record` does, in two queries."""
    at_ms = now_ms()
    events = [
        Durable.of(topic, seq=heads[topic].next_seq(), name=name, at_ms=at_ms, data=data) for topic, name, data in items
    ]
    _write_and_publish(heads, events)
    return events


def record_counters(head: LockedHead, kinds: Mapping[str, int]) -> None:
    """Publish a topic's counters as they are now, inside `transaction.atomic()`. A group commit uses `write`."""
    _write_and_publish({head.topic: head}, [Counters(head.topic, head.next_version(), kinds, (), now_ms())])


def correct_counters(topics: Iterable[TopicName]) -> None:
    """Give the changed counters of locked topics another version. Viewers get them with the node's next look."""
    Topic.objects.filter(name__in=topics).update(version=F("version") + 1)


def _write_and_publish(heads: LockedHeads, events: Sequence[Event]) -> None:
    with connection.cursor() as cursor:
        write(cursor.execute, heads, events)
    transaction.on_commit(lambda: publish(events))


def publish(events: Sequence[Event]) -> None:
    """Publish what a transaction has committed."""
    publisher.publish(events)


def write(execute: Callable[[Any, Any], object], heads: LockedHeads, events: Sequence[Event]) -> None:
    """Write the durable events and the moved heads, in two statements of the transaction that has the locks. Events
    that take earlier content back need one more (realtime.log.things).

    The caller publishes the events after the commit, as group commit does (`Applied.events`). Raises ValueError for an
    event that its topic's kind does not name.
    """
    kinds = [registry.check(event) for event in events]
    durable = [(event, kind) for event, kind in zip(events, kinds, strict=True) if isinstance(event, Durable)]
    if durable:
        things.write(execute, durable)
    moved = [heads[topic] for topic in {event.topic for event in events}]
    # Not bulk_update: for 51 topics it takes 10 ms to write its own SQL.
    execute(_MOVE, [[head.topic for head in moved], [head.seq for head in moved], [head.version for head in moved]])


_MOVE = (
    "UPDATE realtime_topic t SET seq = new.seq, version = new.version"
    " FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS new (name, seq, version) WHERE t.name = new.name"
)


def connection_parameters() -> dict[str, Any]:
    """Return psycopg's parameters for a connection to Django's database outside Django and its pool."""
    parameters: dict[str, Any] = dict(connection.get_connection_params())
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    if settings.LIVE_PGBOUNCER:
        parameters["prepare_threshold"] = None  # what is prepared on one connection is missing on the next
    return parameters
