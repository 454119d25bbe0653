"""A node that looks for what it has missed in a replica which is late: it is told no lies by it.

The replica is a schema of copies in the same PostgreSQL, as late as the test wants it to be.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, connections, transaction

from realtime.events import TopicName
from realtime.log import changes, database
from realtime.log.database import DatabaseStore
from realtime.log.epoch import KeptEpoch, draw_epoch
from realtime.log.store import Head, Mark
from realtime.log.threads import backend_threads
from realtime.log.writer import ensure_topics, lock_topics, record
from realtime.models import Topic
from realtime.registry import registry
from tests.kit import Clock

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "replica"])
ONE, TWO = TopicName("video:1"), TopicName("video:2")
TABLES = ("realtime_topic", "realtime_gonetopic", "realtime_loggedevent", "videos_likecount")


def catch_up() -> None:
    """Bring the replica to where the primary is. A standby shows a transaction from then on: here, it is the copy's."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS late")
        for table in TABLES:
            cursor.execute(f"DROP TABLE IF EXISTS late.{table}")
            cursor.execute(f"CREATE TABLE late.{table} AS SELECT * FROM public.{table}")
        cursor.execute("UPDATE late.realtime_topic SET changed = pg_current_xact_id()::text::bigint")


def write(topic: TopicName, *, seq: int, version: int) -> None:
    Topic.objects.update_or_create(name=topic, defaults={"seq": seq, "version": version})


@pytest.fixture(scope="module", autouse=True)
def alias(django_db_setup: None) -> Iterator[None]:
    default = connections["default"].settings_dict
    options = {**default["OPTIONS"], "options": "-c search_path=late", "pool": False}
    connections.databases["replica"] = {**default, "OPTIONS": options, "TEST": {**default["TEST"], "MIRROR": "default"}}
    yield
    for made in connections.all(initialized_only=True):
        if made.alias == "replica":
            made.close()
            del connections["replica"]
    del connections.databases["replica"]


@pytest.fixture
def replica(db: None) -> Iterator[str]:
    catch_up()
    yield "replica"
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA late CASCADE")


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def store(replica: str, clock: Clock) -> DatabaseStore:
    return DatabaseStore(registry, replica=replica, clock=clock)


async def test_replica_that_is_behind_has_no_news(store: DatabaseStore) -> None:
    """It was taken for a restored backup: viewers were started again with what they had seen long ago."""
    await backend_threads.run(write, ONE, seq=3, version=3)
    await backend_threads.run(catch_up)
    await backend_threads.run(write, ONE, seq=9, version=9)
    assert (await store.heads({ONE: Head(9, 1)})).of == {ONE: Head(9, 3)}


async def test_replica_tells_what_is_new(store: DatabaseStore) -> None:
    await backend_threads.run(write, ONE, seq=5, version=6)
    await backend_threads.run(catch_up)
    assert (await store.heads({ONE: Head(4, 2)})).of == {ONE: Head(5, 6)}


async def test_topic_that_the_replica_does_not_have_yet_is_not_gone(store: DatabaseStore) -> None:
    await backend_threads.run(write, TWO, seq=1, version=0)
    assert (await store.heads({ONE: Head(1, 1), TWO: Head(0, 0)})).of == {TWO: Head(1, 0)}


async def test_only_the_primary_can_tell_that_something_has_gone_back(store: DatabaseStore, clock: Clock) -> None:
    await backend_threads.run(write, ONE, seq=2, version=2)
    await backend_threads.run(catch_up)
    assert (await store.heads({ONE: Head(7, 7)})).of == {ONE: Head(7, 7)}
    clock.now += database.CONFIRM_SECONDS
    mark = (await store.changes(Mark())).until
    assert (await store.heads({ONE: Head(7, 7)})).of == {ONE: Head(2, 2)}
    await store.changes(mark)
    assert (await store.heads({ONE: Head(7, 7)})).of == {ONE: Head(7, 7)}


async def test_epoch_is_read_again_when_something_has_gone_back(
    store: DatabaseStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept one, of before the restore, was given to what was loaded after it: its viewers were reset twice."""
    await backend_threads.run(write, ONE, seq=2, version=2)
    clock.now += database.CONFIRM_SECONDS
    kept = KeptEpoch(clock=lambda: 0.0)
    for module in (database, changes):
        monkeypatch.setattr(module, "epoch", kept)
    await store.changes(Mark())
    before = (await store.heads({ONE: Head(2, 2)})).epoch
    drawn = await backend_threads.run(draw_epoch)
    for _ in range(2):
        found = await store.heads({ONE: Head(7, 2)})
    assert found.epoch == drawn != before


async def test_primary_answers_for_a_replica_that_is_away(
    store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend_threads.run(write, ONE, seq=2, version=2)
    monkeypatch.setitem(connections.databases["replica"], "PORT", 1)
    assert (await store.heads({ONE: Head(1, 1)})).of == {ONE: Head(2, 2)}
    assert await store.events_after(ONE, 0, limit=10) == []


async def test_change_is_named_when_the_replica_has_it(store: DatabaseStore, clock: Clock) -> None:
    """The primary names it before, every `CONFIRM_SECONDS`."""
    seen = (await store.changes(Mark())).until
    await backend_threads.run(write, ONE, seq=5, version=6)
    found = await store.changes(seen)
    assert not found.topics
    await backend_threads.run(catch_up)
    found = await store.changes(found.until)
    assert found.topics == {ONE}


async def test_look_at_the_primary_takes_nothing_from_that_at_the_replica(store: DatabaseStore, clock: Clock) -> None:
    clock.now += database.CONFIRM_SECONDS
    first = await store.changes(Mark())
    assert first.is_all
    second = await store.changes(first.until)
    assert second.is_all, "the replica is behind the primary"
    await backend_threads.run(write, ONE, seq=5, version=6)
    clock.now += database.CONFIRM_SECONDS
    confirmed = await store.changes(second.until)
    assert confirmed.topics == {ONE} and not confirmed.is_all
    await backend_threads.run(catch_up)
    assert (await store.changes(confirmed.until)).topics == {ONE}


async def test_primary_names_changes_for_a_replica_that_is_away(
    store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = (await store.changes(Mark())).until
    await backend_threads.run(write, ONE, seq=2, version=2)
    monkeypatch.setitem(connections.databases["replica"], "PORT", 1)
    assert (await store.changes(seen)).is_all, "the epoch of the mark is not known"


def say(topic: TopicName, text: str) -> None:
    with transaction.atomic():
        ensure_topics([topic])
        record(lock_topics([topic])[topic], "comment", {"comment": {"id": text, "body": text}})


async def test_events_are_read_from_the_replica(store: DatabaseStore) -> None:
    await backend_threads.run(say, ONE, "first")
    await backend_threads.run(catch_up)
    await backend_threads.run(say, ONE, "second")
    assert [event.seq for event in await store.events_after(ONE, 0, limit=10)] == [1]
    await backend_threads.run(catch_up)
    assert [event.seq for event in await store.events_after(ONE, 0, limit=10)] == [1, 2]
