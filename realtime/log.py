"""The event log's writing side: a durable event is a row, written in the transaction that makes it true.

Hop: called by the backend inside its transaction; the publisher is told after the commit, and only then.
Two ways, one order: `record` for ordinary Django transactions, `append` for a group commit's own connection.
Both take the topic's row lock first, so the events of a topic commit in the order of their `seq`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
from django.db import connection, transaction

from realtime.events import Durable, Event, TopicName
from realtime.models import LoggedEvent, Topic
from realtime.publisher import publisher


def now_ms() -> int:
    return time.time_ns() // 1_000_000


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
    head.seq += 1
    event = Durable.of(TopicName(head.name), seq=head.seq, name=name, at_ms=now_ms(), data=data)
    Topic.objects.filter(name=head.name).update(seq=head.seq)
    LoggedEvent.objects.create(topic=head, seq=head.seq, name=name, data=orjson.loads(event.body))
    transaction.on_commit(lambda: publisher.publish([event]))
    return event


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
