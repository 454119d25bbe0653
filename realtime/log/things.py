"""The rows of durable events, and what becomes of earlier rows when the content of a thing is taken back or replaced.

Hop: called by realtime.log.writer, which has the topics' locks. What a kind of topics says of its events (`takes_back`,
`replaces` and `forgets` of realtime.kinds.TopicKind) is carried out here. realtime.node.feed does it to what a node
keeps.

Promise: when the transaction is committed, no row holds what was taken back. Each seq is still there, so who resumes
from before gets all events, and is where a fresh viewer is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from django.db import connection, transaction

from realtime.events import Durable, TopicName
from realtime.kinds import TopicKind
from realtime.registry import registry

Execute = Callable[[Any, Any], object]
SLICE_ROWS = 1_000

# One text, not an array of bodies: psycopg would escape each of their quotation marks in Python, which takes 25 ms for
# the 50 inboxes of a message.
_INSERT = """
INSERT INTO realtime_loggedevent (topic_id, seq, name, data, thing)
SELECT * FROM json_to_recordset(%s::json) AS new (topic_id text, seq bigint, name text, data jsonb, thing text)
"""
# The index has only rows with a thing: `<> ''` lets PostgreSQL use it. A topic of any size costs the same.
_CHANGE = """
UPDATE realtime_loggedevent e SET
  name = CASE WHEN new.is_gone THEN new.name ELSE e.name END,
  thing = CASE WHEN new.is_gone THEN '' ELSE e.thing END,
  data = new.data || jsonb_build_object('seq', e.seq, 'at_ms', e.data->'at_ms')
FROM json_to_recordset(%s::json)
  AS new (topic_id text, seq bigint, name text, data jsonb, thing text, is_gone boolean)
WHERE e.topic_id = new.topic_id AND e.thing = new.thing AND e.thing <> '' AND e.seq < new.seq
"""
_FORGET = """
DELETE FROM realtime_loggedevent e USING unnest(%s::text[], %s::bigint[]) AS new (topic_id, seq)
WHERE e.topic_id = new.topic_id AND e.seq < new.seq
"""


# Rows that the release before has written. It knows no things.
_FORMER = """
SELECT topic_id, seq, name, data::text FROM realtime_loggedevent
WHERE (topic_id, seq) > (%s, %s) ORDER BY topic_id, seq LIMIT %s
"""
_FILL = """
UPDATE realtime_loggedevent e SET thing = new.thing
FROM json_to_recordset(%s::json) AS new (topic_id text, seq bigint, thing text)
WHERE e.topic_id = new.topic_id AND e.seq = new.seq AND e.thing <> new.thing
"""


def write(execute: Execute, events: Iterable[tuple[Durable, TopicKind]]) -> None:
    """Write durable events, each with the kind of its topic, in the order of their seq. One statement, or up to three
    if they take something back. Events of inboxes have no rows; the release before has written some.
    """
    _carry_out(execute, _INSERT, events)


def fill() -> None:
    """Do with all rows what `write` would have done. In slices, each a short transaction."""
    place: tuple[str, int] | None = ("", 0)
    while place is not None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FORMER, [*place, SLICE_ROWS])
            rows = cursor.fetchall()
            events = [Durable(TopicName(topic), seq, name, data.encode()) for topic, seq, name, data in rows]
            kinds = {event.topic: registry.kinds.get(event.topic.partition(":")[0]) for event in events}
            known = [(event, kind) for event in events if (kind := kinds[event.topic]) is not None]
            _carry_out(cursor.execute, _FILL, known)
            place = (rows[-1][0], rows[-1][1]) if rows else None


def _carry_out(execute: Execute, statement: str, events: Iterable[tuple[Durable, TopicKind]]) -> None:
    """Write the rows by the statement, and do to earlier rows what the events say."""
    rows: list[Mapping[str, Any]] = []
    changes: dict[tuple[TopicName, str], Mapping[str, Any]] = {}  # of several for one thing the last one counts
    forgotten: dict[TopicName, int] = {}
    for event, kind in events:
        row = {"topic_id": event.topic, "seq": event.seq, "name": event.name, "data": orjson.Fragment(event.body)}
        effect = kind.effect(event.name, orjson.loads(event.body))
        if not kind.is_inbox:
            rows.append({**row, "thing": effect.holds})
        if effect.changes:
            changes[event.topic, effect.changes] = {**row, "thing": effect.changes, "is_gone": effect.is_gone}
        if effect.forgets:
            forgotten[event.topic] = event.seq
    if rows:
        execute(statement, [orjson.dumps(rows).decode()])
    if changes:
        execute(_CHANGE, [orjson.dumps(list(changes.values())).decode()])
    if forgotten:
        execute(_FORGET, [list(forgotten), list(forgotten.values())])
