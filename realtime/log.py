"""The event log's writing side: a durable event is a row, written in the transaction that makes it true.

Hop: called by the backend inside its transaction; the publisher is told after the commit, and only then.
Two ways, one order: `record` for ordinary Django transactions, `append` for a group commit's own connection.
Both take the topic's row lock first, so the events of a topic commit in the order of their `seq`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
from django.db import connection, transaction

from realtime.events import Durable, Event, TopicName, now_ms
from realtime.models import LoggedEvent, Topic
from realtime.publisher import publisher


def create_topic(topic: TopicName) -> None:
    """Make the topic's row, in the transaction that makes the thing it is about."""
    Topic.objects.create(name=topic)


def lock_topic(topic: TopicName) -> Topic:
    """Take the topic's row lock: what follows in this transaction happens after all that has its seq."""
    return Topic.objects.select_for_update().get(name=topic)


def record(head: Topic, name: str, data: Mapping[str, Any]) -> Durable:
    """Append an event to a locked topic, inside `transaction.atomic()`; it is published after the commit.

    `data` is the event without `topic`, `seq` and `at_ms`; JSON only.
    """
    [event] = record_all(head, name, [data])
    return event


def record_all(head: Topic, name: str, items: Sequence[Mapping[str, Any]]) -> list[Durable]:
    """Append several events of one name, as `record` does, in two queries whatever their number."""
    at_ms, topic = now_ms(), TopicName(head.name)
    events = [
        Durable.of(topic, seq=seq, name=name, at_ms=at_ms, data=data) for seq, data in enumerate(items, head.seq + 1)
    ]
    head.seq += len(events)
    Topic.objects.filter(name=head.name).update(seq=head.seq)
    LoggedEvent.objects.bulk_create(
        LoggedEvent(topic=head, seq=event.seq, name=name, data=orjson.loads(event.body)) for event in events
    )
    transaction.on_commit(lambda: publisher.publish(events))
    return events


def append(pipe: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    """Write the durable events of a group commit in one statement; their topics are locked, their seqs given."""
    durable = [event for event in events if isinstance(event, Durable)]
    if durable:
        pipe.execute(
            "INSERT INTO realtime_loggedevent (topic_id, seq, name, data)"
            " SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::jsonb[])",
            [
                [event.topic for event in durable],
                [event.seq for event in durable],
                [event.name for event in durable],
                [event.body.decode() for event in durable],
            ],
        )


def connection_parameters() -> dict[str, Any]:
    """Return psycopg's parameters for a connection of one's own to Django's database, without the pool."""
    parameters: dict[str, Any] = dict(connection.get_connection_params())
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters
