"""The event log's writing side: a durable event is a row, written in the transaction that makes it true.

Hop: called by the backend inside its transaction; the publisher is told after the commit, and only then.
Two ways, one order: `record` for ordinary Django transactions, `append` for a group commit's own connection.
Both take the topic's row lock first, so the events of a topic commit in the order of their `seq`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import psycopg
from django.conf import settings
from django.db import connection, transaction

from realtime.dispatch.publisher import publisher
from realtime.events import Durable, Event, TopicName, now_ms
from realtime.models import Topic


def create_topic(topic: TopicName) -> None:
    """Make the topic's row, in the transaction that makes the thing it is about."""
    Topic.objects.create(name=topic)


def ensure_topics(topics: Iterable[TopicName]) -> None:
    """Make the rows of topics that have had no event so far. One query; those that are there stay as they are."""
    Topic.objects.bulk_create([Topic(name=topic) for topic in sorted(topics)], ignore_conflicts=True)


def lock_topics(topics: Iterable[TopicName]) -> dict[TopicName, Topic]:
    """Take the topics' row locks: what follows in this transaction happens after all that has their seqs.

    Those without a row are left out. One query.
    """
    # In the order of names, like everybody: two transactions with the same topics wait for each other, not for ever.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, seq, version, viewers_peak FROM realtime_topic WHERE name = ANY(%s) ORDER BY name FOR UPDATE",
            [list(topics)],
        )
        return {TopicName(row[0]): Topic(*row) for row in cursor.fetchall()}


def record(head: Topic, name: str, data: Mapping[str, Any]) -> Durable:
    """Append an event to a locked topic, inside `transaction.atomic()`; it is published after the commit.

    `data` is the event without `topic`, `seq` and `at_ms`; JSON only.
    """
    [event] = record_all(head, name, [data])
    return event


def record_all(head: Topic, name: str, items: Sequence[Mapping[str, Any]]) -> list[Durable]:
    """Append several events of one name, as `record` does, in two queries whatever their number."""
    topic = TopicName(head.name)
    return record_many({topic: head}, [(topic, name, data) for data in items])


def record_many(
    heads: Mapping[TopicName, Topic], items: Sequence[tuple[TopicName, str, Mapping[str, Any]]]
) -> list[Durable]:
    """Append events, each `(topic, name, data)`, to locked topics, as `record` does, in two queries."""
    at_ms = now_ms()
    events = []
    for topic, name, data in items:
        head = heads[topic]
        head.seq += 1
        events.append(Durable.of(topic, seq=head.seq, name=name, at_ms=at_ms, data=data))
    changed = {event.topic: event.seq for event in events}
    with connection.cursor() as cursor:
        # Not bulk_update: for 51 topics it spends 10 ms on its own text.
        cursor.execute(
            "UPDATE realtime_topic SET seq = new_seq FROM unnest(%s::text[], %s::bigint[]) AS new (topic, new_seq)"
            " WHERE name = topic",
            [list(changed), list(changed.values())],
        )
        cursor.execute(_INSERT, [_rows(events)])
    transaction.on_commit(lambda: publisher.publish(events))
    return events


def append(pipe: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    """Write the durable events of a group commit in one statement; their topics are locked, their seqs given."""
    if durable := [event for event in events if isinstance(event, Durable)]:
        pipe.execute(_INSERT, [_rows(durable)])


# One text, not an array of bodies: psycopg would escape each quotation mark of theirs in Python, 25 ms for the 50
# inboxes of a message.
_INSERT = (
    "INSERT INTO realtime_loggedevent (topic_id, seq, name, data) SELECT * FROM json_to_recordset(%s::json)"
    " AS new (topic_id text, seq bigint, name text, data jsonb)"
)


def _rows(events: Sequence[Durable]) -> str:
    return orjson.dumps(
        [
            {"topic_id": event.topic, "seq": event.seq, "name": event.name, "data": orjson.Fragment(event.body)}
            for event in events
        ]
    ).decode()


def connection_parameters() -> dict[str, Any]:
    """Return psycopg's parameters for a connection of one's own to Django's database, without the pool."""
    parameters: dict[str, Any] = dict(connection.get_connection_params())
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    if settings.LIVE_PGBOUNCER:
        parameters["prepare_threshold"] = None  # what is prepared on one connection is missing on the next
    return parameters
