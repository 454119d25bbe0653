"""A node hears of each topic whose head has changed, whoever changed it, and of no others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from realtime.events import Epoch, TopicName
from realtime.log import changes, deletion
from realtime.log.database import save_peaks
from realtime.log.retention import delete_topics
from realtime.log.store import Mark
from realtime.log.writer import correct_counters, ensure_topics, lock_topics, record
from realtime.models import GoneTopic, Topic

pytestmark = pytest.mark.django_db(transaction=True)
FUTURE = 2**40 + 3  # of a transaction
ONE, TWO = TopicName("video:1"), TopicName("video:2")


@pytest.fixture(autouse=True)
def topics(db: None) -> None:
    ensure_topics([ONE, TWO])


def look() -> Mark:
    return changes.confirmed_changes(Mark()).until


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def say(topic: TopicName) -> None:
    with transaction.atomic():
        record(lock_topics([topic])[topic], "comment", {"comment": {"id": "1", "body": "Hello"}})


def say_in_a_savepoint(topic: TopicName) -> None:
    with transaction.atomic():
        say(topic)


CHANGES: dict[str, Callable[[TopicName], object]] = {
    "event": say,
    "event in a savepoint": say_in_a_savepoint,
    "counters": lambda topic: correct_counters([topic]),
    "by hand": lambda topic: sql("UPDATE realtime_topic SET seq = 7 WHERE name = %s", topic),
    "by the admin": lambda topic: Topic(name=topic, seq=3).save(),
    "deleted": lambda topic: delete_topics([topic]),
    "deleted by hand": lambda topic: sql("DELETE FROM realtime_topic WHERE name = %s", topic),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_topic_is_named_by_the_next_look_alone(change: str) -> None:
    seen = look()
    CHANGES[change](ONE)
    found = changes.confirmed_changes(seen)
    assert found.topics == {ONE} and not found.is_all
    assert not changes.confirmed_changes(found.until).topics


def test_peak_of_viewers_is_no_change() -> None:
    seen = look()
    save_peaks({ONE: 7})
    assert not changes.confirmed_changes(seen).topics


def test_transaction_that_commits_late_is_seen_then() -> None:
    """Its number is lower than those of transactions that were seen before."""
    late = connection.copy()
    with contextlib.closing(late), late.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()")
        say(ONE)
        seen = changes.confirmed_changes(look())
        cursor.execute("UPDATE realtime_topic SET version = 1 WHERE name = ANY(%s)", [[ONE, TWO]])
        meanwhile = changes.confirmed_changes(seen.until)
        assert TWO not in meanwhile.topics
        cursor.execute("COMMIT")
        assert changes.confirmed_changes(meanwhile.until).topics == {ONE, TWO}


def test_after_a_gap_or_in_another_history_any_topic_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look()
    assert not changes.confirmed_changes(seen).is_all
    for other in (
        Mark(),
        Mark(Epoch("another"), seen.snapshot, seen.at),
        Mark(seen.epoch, f"{FUTURE}:{FUTURE}:", seen.at),
    ):
        assert changes.confirmed_changes(other).is_all
    monkeypatch.setattr(changes, "GAP_MAX", timedelta(0))
    assert changes.confirmed_changes(seen).is_all


def restore(statement: str) -> None:
    """Write topics as a restore does, with the numbers of transactions that they had."""
    sql("ALTER TABLE realtime_topic DISABLE TRIGGER topic_changed")
    sql(statement)
    sql("ALTER TABLE realtime_topic ENABLE TRIGGER topic_changed")


def test_restored_row_with_a_number_that_is_not_reached_yet_is_no_change() -> None:
    seen = look()
    restore("UPDATE realtime_topic SET changed = 1::bigint << 60")
    assert not changes.confirmed_changes(seen).topics
    say(TWO)
    assert changes.confirmed_changes(seen).topics == {TWO}


def test_look_is_one_query_by_the_index_for_any_number_of_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """It read the heads of all topics, every two seconds."""
    made = "INSERT INTO realtime_topic (name, seq, version, viewers_peak, changed) SELECT 'video:' || n, 1, 1, 0, 1"
    restore(f"{made} FROM generate_series(10, 20000) n")
    sql("ANALYZE realtime_topic")
    seen = look()
    say(ONE)
    monkeypatch.setattr(changes, "epoch", lambda: seen.epoch)
    with CaptureQueriesContext(connection) as asked:
        assert changes.confirmed_changes(seen).topics == {ONE}
    assert len(asked) == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {asked[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on topic_changed" in plan, plan
    assert "Seq Scan on realtime_topic" not in plan, plan


def test_like_writes_to_no_index() -> None:
    """An update of an indexed column writes to all indexes of the table, but not if the index is one of ranges."""

    def updates() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'realtime_topic'")
            made, in_place = cursor.fetchone()
        return int(made), int(in_place)

    all_before, in_place_before = updates()
    for _ in range(10):
        correct_counters([ONE])
    all_after, in_place_after = updates()
    assert all_after - all_before == 10
    assert in_place_after - in_place_before >= 9, "only the first one may find its page full"


def test_deleted_topics_are_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    GoneTopic.objects.all().delete()
    delete_topics([ONE, TWO])
    assert changes.forget() == 0
    monkeypatch.setattr(changes, "KEPT_FOR", timedelta(0))
    monkeypatch.setattr(deletion, "ROWS_MAX", 1)
    assert changes.forget() == 2
    assert not GoneTopic.objects.exists()
