"""What the event log does to earlier rows when the content of a thing is taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction

from realtime.events import Durable, TopicName
from realtime.log import things, writer
from realtime.models import LoggedEvent
from realtime.registry import registry
from tests.realtime.fakes import NoteKind

pytestmark = pytest.mark.django_db

TOPIC, OTHER = TopicName("lot:1"), TopicName("lot:2")


@pytest.fixture(autouse=True)
def kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.kinds, "lot", NoteKind())
    monkeypatch.setattr("realtime.dispatch.publisher.publisher.publish", lambda events: None)
    for topic in (TOPIC, OTHER):
        writer.create_topic(topic)


def record(*named: tuple[str, dict[str, Any]], topic: TopicName = TOPIC) -> None:
    with transaction.atomic():
        heads = writer.lock_topics([topic])
        writer.record_many(heads, [(topic, name, {"note": note}) for name, note in named])


def logged(topic: TopicName = TOPIC) -> list[tuple[int, str, dict[str, Any]]]:
    rows = LoggedEvent.objects.filter(topic_id=topic).order_by("seq")
    for row in rows:
        assert (row.data["topic"], row.data["seq"]) == (topic, row.seq)
    return [(row.seq, row.name, row.data["note"]) for row in rows]


WRITTEN, REMOVED = {"id": "a", "text": "rude"}, {"id": "a"}


def test_what_is_taken_back_is_in_no_row_and_no_seq_is_missing() -> None:
    record(("note", WRITTEN), ("note", {"id": "b", "text": "kind"}), ("note_shown", WRITTEN))
    record(("note", WRITTEN), topic=OTHER)
    at_ms = [row.data["at_ms"] for row in LoggedEvent.objects.filter(topic_id=TOPIC).order_by("seq")]
    record(("note_removed", REMOVED))
    assert logged() == [
        (1, "note_removed", REMOVED),
        (2, "note", {"id": "b", "text": "kind"}),
        (3, "note_removed", REMOVED),
        (4, "note_removed", REMOVED),
    ]
    assert [row.data["at_ms"] for row in LoggedEvent.objects.filter(topic_id=TOPIC).order_by("seq")][:3] == at_ms
    assert logged(OTHER) == [(1, "note", WRITTEN)], "of another topic"


def test_what_is_replaced_is_in_no_row() -> None:
    polite = {"id": "a", "text": "polite"}
    record(("note", WRITTEN), ("note_shown", WRITTEN))
    record(("note_edited", {"id": "a", "text": "less rude"}), ("note_edited", polite))
    assert logged() == [
        (1, "note", polite),
        (2, "note_shown", polite),
        (3, "note_edited", polite),
        (4, "note_edited", polite),
    ]


def test_what_is_written_and_taken_back_in_one_go_is_gone_and_what_comes_after_it_stays() -> None:
    record(("note", WRITTEN), ("note_removed", REMOVED), ("note", WRITTEN))
    assert logged() == [(1, "note_removed", REMOVED), (2, "note_removed", REMOVED), (3, "note", WRITTEN)]


def test_after_what_forgets_nothing_is_left_of_before() -> None:
    record(("note", WRITTEN), ("note_shown", WRITTEN))
    record(("note", WRITTEN), topic=OTHER)
    record(("all_forgotten", {}))
    assert logged() == [(3, "all_forgotten", {})]
    assert logged(OTHER) == [(1, "note", WRITTEN)]


def test_rows_of_the_release_before_are_found_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It wrote no things, and left what was taken back as it was."""
    monkeypatch.setattr(things, "SLICE_ROWS", 2)
    record(("note", WRITTEN), ("note", {"id": "b", "text": "kind"}))
    removed = json.dumps({"topic": TOPIC, "seq": 3, "at_ms": 1, "note": REMOVED})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE realtime_loggedevent SET thing = ''")
        cursor.execute(
            "INSERT INTO realtime_loggedevent (topic_id, seq, name, data) VALUES (%s, 3, 'note_removed', %s)",
            [TOPIC, removed],
        )
        cursor.execute("UPDATE realtime_topic SET seq = 3 WHERE name = %s", [TOPIC])
    things.fill()
    assert logged() == [
        (1, "note_removed", REMOVED),
        (2, "note", {"id": "b", "text": "kind"}),
        (3, "note_removed", REMOVED),
    ]
    record(("note_removed", {"id": "b"}))
    assert logged()[1] == (2, "note_removed", {"id": "b"})


def test_an_ordinary_event_costs_no_query_more(django_assert_num_queries: Any) -> None:
    events = [Durable.of(TOPIC, seq=1, name="note", at_ms=1, data={"note": WRITTEN})]
    with transaction.atomic():
        heads = writer.lock_topics([TOPIC])
        with django_assert_num_queries(2), connection.cursor() as cursor:
            writer.write(cursor.execute, heads, events)


def test_a_large_topic_is_not_searched() -> None:
    """100,000 rows are found by an index, or a deletion takes as long as the room is full."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO realtime_loggedevent (topic_id, seq, name, data, thing)"
            " SELECT %s, n, 'note', jsonb_build_object('note', jsonb_build_object('id', n::text)), n::text"
            " FROM generate_series(1, 100000) n",
            [TOPIC],
        )
        cursor.execute("ANALYZE realtime_loggedevent")
        read = "SELECT idx_scan, seq_scan FROM pg_stat_xact_all_tables WHERE relname = 'realtime_loggedevent'"
        cursor.execute(read)
        by_index, whole = cursor.fetchone()
    with transaction.atomic():
        head = writer.LockedHead(TOPIC, 100_000, 0)
        writer.record_many({TOPIC: head}, [(TOPIC, "note_removed", {"note": {"id": str(n)}}) for n in range(1, 4)])
        with connection.cursor() as cursor:
            cursor.execute(read)
            assert cursor.fetchone() == (by_index + 3, whole)
