"""Group commit on the real PostgreSQL: who shares a transaction, who is refused alone, what if it is away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from django.db import connection

from realtime.events import Burst, Event, TopicName
from realtime.log import writer as log
from realtime.log.group_commit import Applied, GroupCommit
from realtime.log.store import StoreUnavailable
from tests.kit import until

pytestmark = pytest.mark.django_db(transaction=True)


class Notes:
    """A backend of one table: command `text` stores it; `bad` is refused; `poison` breaks the whole statement."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.publish: Callable[[Sequence[Event]], None] = lambda events: None
        self.taken = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        self.parameters = log.connection_parameters
        self.backend_pid = 0  # of the connection that it was called with
        self.last_statement = ""

    def apply(self, connection: psycopg.Connection[Any], commands: Sequence[str]) -> Applied[str]:
        self.backend_pid = connection.info.backend_pid
        self.taken.set()
        self.hold.wait(20)
        connection.execute("SELECT 1").fetchone()  # it reads first, as the backend does
        self.batches.append(len(commands))
        for command in commands:
            if command != "bad":
                connection.execute("INSERT INTO notes VALUES (%s)", [1 / 0 if command == "poison" else command])
        if self.last_statement:
            connection.execute(self.last_statement)
        outcomes: list[str | Exception] = [ValueError("bad") if text == "bad" else text for text in commands]
        return Applied(outcomes, [Burst(TopicName("video:1"), {text: 1}, 1) for text in commands])

    def stored(self) -> list[str]:
        with psycopg.connect(**log.connection_parameters(), autocommit=True) as connection:
            return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY text")]


@pytest.fixture
def notes() -> Iterator[Notes]:
    with psycopg.connect(**log.connection_parameters(), autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (text text)")
        yield Notes()
        connection.execute("DROP TABLE notes")


@pytest.fixture
def commit(notes: Notes) -> Iterator[GroupCommit[str, str]]:
    made: GroupCommit[str, str] = GroupCommit(
        notes.apply, publish=lambda events: notes.publish(events), parameters=lambda: notes.parameters()
    )
    yield made
    made.close()


async def test_lone_command_commits_at_once(commit: GroupCommit[str, str], notes: Notes) -> None:
    assert await commit.submit("a") == "a"
    assert notes.stored() == ["a"]
    assert notes.batches == [1]


async def test_what_arrives_during_a_commit_shares_the_next_one(commit: GroupCommit[str, str], notes: Notes) -> None:
    first = await being_committed(commit, notes, "000")
    rest = [asyncio.create_task(commit.submit(f"{number:03}")) for number in range(1, 101)]
    await asyncio.sleep(0)
    notes.hold.set()
    assert await asyncio.gather(first, *rest) == [f"{number:03}" for number in range(101)]
    assert notes.batches == [1, 100]
    assert len(notes.stored()) == 101


async def being_committed(commit: GroupCommit[str, str], notes: Notes, text: str) -> asyncio.Task[str]:
    """Submit a command and return when the thread has taken it and waits."""
    notes.hold.clear()
    notes.taken.clear()
    task = asyncio.create_task(commit.submit(text))
    await until(lambda: task.done() or notes.taken.is_set())
    return task


async def test_events_are_published_after_the_commit_and_only_then(commit: GroupCommit[str, str], notes: Notes) -> None:
    seen: list[list[str]] = []
    notes.publish = lambda events: seen.append(notes.stored())
    await commit.submit("a")
    assert seen == [["a"]]


async def test_refused_command_takes_nobody_with_it(commit: GroupCommit[str, str], notes: Notes) -> None:
    first = await being_committed(commit, notes, "first")
    waiting = [first, *(asyncio.create_task(commit.submit(text)) for text in ("good", "bad", "fine"))]
    await asyncio.sleep(0)
    notes.hold.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [outcome if isinstance(outcome, str) else type(outcome) for outcome in outcomes] == [
        "first",
        "good",
        ValueError,
        "fine",
    ]


async def test_command_that_breaks_the_transaction_takes_nobody_with_it(
    commit: GroupCommit[str, str], notes: Notes
) -> None:
    first = await being_committed(commit, notes, "first")
    waiting = [first, *(asyncio.create_task(commit.submit(text)) for text in ("good", "poison", "fine"))]
    await asyncio.sleep(0)
    notes.hold.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, str, ZeroDivisionError, str]
    assert notes.stored() == ["fine", "first", "good"]


async def test_database_away_is_an_error_in_time_and_not_for_ever(commit: GroupCommit[str, str], notes: Notes) -> None:
    notes.parameters = lambda: {"host": "127.0.0.1", "port": 1, "connect_timeout": 2}
    with pytest.raises(StoreUnavailable):
        await commit.submit("lost")
    notes.parameters = log.connection_parameters
    assert await commit.submit("kept") == "kept"
    assert notes.stored() == ["kept"]


async def test_connection_that_died_is_made_again(commit: GroupCommit[str, str], notes: Notes) -> None:
    """It costs nobody an error: the first one after a restart of PostgreSQL was refused on each node."""
    await commit.submit("before")
    end_session(notes)
    assert await commit.submit("after") == "after"
    assert notes.stored() == ["after", "before"]


async def test_read_only_database_is_away_and_comes_back(commit: GroupCommit[str, str], notes: Notes) -> None:
    """After a failover the old primary answered 500 to everybody who liked: the error is not an operational one."""
    await commit.submit("before")
    with read_only():
        end_session(notes)
        with pytest.raises(StoreUnavailable) as refusal:
            await commit.submit("during")
        assert refusal.value.reason == "read-only"
    assert await commit.submit("after") == "after"
    assert notes.stored() == ["after", "before"]


async def test_command_whose_commit_may_have_been_made_is_not_repeated(
    commit: GroupCommit[str, str], notes: Notes
) -> None:
    """The session ends with the COMMIT on its way."""
    await commit.submit("before")
    notes.last_statement = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(StoreUnavailable):
        await commit.submit("unsure")
    assert notes.batches == [1, 1]


def end_session(notes: Notes) -> None:
    """End the connection that the group commit keeps."""
    assert notes.backend_pid
    with psycopg.connect(**log.connection_parameters(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [notes.backend_pid])


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    """Have the test's database take no writes of new sessions, as a server does that has become a standby."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(**log.connection_parameters(), autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        try:
            yield
        finally:
            other.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


async def test_frozen_database_answers_within_the_deadline_and_does_not_store_what_was_given_up(
    commit: GroupCommit[str, str], notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.log.group_commit.WAIT_SECONDS", 0.1)
    first = await being_committed(commit, notes, "frozen")
    second = asyncio.create_task(commit.submit("given up"))
    for task in (first, second):
        with pytest.raises(StoreUnavailable):
            await task
    notes.hold.set()
    monkeypatch.undo()
    assert await commit.submit("thawed") == "thawed"
    assert "given up" not in notes.stored()


async def test_queue_is_bounded(commit: GroupCommit[str, str], notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.log.group_commit.QUEUE_MAX_COMMANDS", 3)
    notes.hold.clear()
    waiting = [asyncio.create_task(commit.submit(str(number))) for number in range(10)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
    assert done
    assert all(isinstance(task.exception(), StoreUnavailable) for task in done)
    notes.hold.set()
    await asyncio.gather(*pending)
