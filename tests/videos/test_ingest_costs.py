"""What a like costs, counted: statements, round trips, hand-overs between threads. Counts do not waver as times do."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import orjson
import psycopg
import pytest
from psycopg.pq import Trace

from accounts import tokens
from accounts.guests import create_guest
from accounts.models import Viewer
from realtime.events import Event
from tests.kit import until
from tests.videos.acts import Stage
from videos import likes
from videos.models import Like

LIKES = 40


@pytest.fixture
def crowd(stage: Stage) -> list[Viewer]:
    return [create_guest(f"Fan {number}") for number in range(LIKES)]


class Held:
    """The group commit's thread, held after a commit as long as `lock` is taken: what is submitted meanwhile becomes
    one batch.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = threading.Event()

    def publish(self, _: Sequence[Event]) -> None:
        self.taken.set()
        with self.lock:
            pass


@pytest.fixture
def held(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held()
    monkeypatch.setattr("realtime.dispatch.publisher.publisher.publish", made.publish)
    return made


async def like_all(stage: Stage, crowd: list[Viewer], held: Held) -> None:
    """Have the crowd like in one batch, after one of a lone like that holds the thread until they all wait."""
    held.taken.clear()
    with held.lock:
        first = asyncio.create_task(likes.like(stage.video.id, stage.owner, "love"))
        await until(held.taken.is_set)
        rest = [asyncio.create_task(likes.like(stage.video.id, viewer, "like")) for viewer in crowd]
        await asyncio.sleep(0)  # each submits its command before it waits
    await asyncio.gather(first, *rest)


async def test_batch_costs_the_database_the_same_whatever_its_size(
    stage: Stage, crowd: list[Viewer], held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    made: list[psycopg.Connection[Any]] = []
    connect = psycopg.connect

    def connected(*arguments: Any, **options: Any) -> psycopg.Connection[Any]:
        made.append(connect(*arguments, **options))
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(psycopg, "connect", connected)
        await likes.unlike(stage.video.id, stage.owner)
    [connection] = made
    for people in (crowd[:1], crowd[1:]):
        await likes.unlike(stage.video.id, stage.owner)
        with traced(connection) as read:
            await like_all(stage, people, held)
        counts.append(read())
    # Two batches each time, of one like and of many or one. Each: BEGIN; heads, videos, viewers, roles, restrictions,
    # counts and likes are read; likes, counts and heads are written; COMMIT. It waits for the database twice: to read,
    # and at the end.
    assert [statements for statements, _ in counts] == [2 * 12, 2 * 12]
    assert [waits for _, waits in counts] == [2 * 2, 2 * 2]
    assert await asyncio.to_thread(Like.objects.count) == LIKES + 1


class traced:
    """Have libpq write down what the group commit's connection sends and gets."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._pgconn = connection.pgconn

    def __enter__(self) -> Callable[[], tuple[int, int]]:
        self._file = tempfile.TemporaryFile()
        self._pgconn.trace(self._file.fileno())
        self._pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        return self._read

    def __exit__(self, *_: object) -> None:
        self._pgconn.untrace()

    def _read(self) -> tuple[int, int]:
        """Return the statements executed and how often it waited: an answer after something that was sent."""
        self._file.seek(0)
        # The text of a statement may have lines of its own.
        messages = [line.split(b"\t") for line in self._file.read().splitlines() if line[:2] in (b"F\t", b"B\t")]
        self._file.close()
        directions = b"".join(message[0] for message in messages)
        return sum(message[2] == b"Execute" for message in messages), directions.count(b"FB")


async def test_batch_is_handed_over_twice_whatever_its_size(
    stage: Stage, crowd: list[Viewer], held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hand-over between the loop and the thread takes the interpreter from one of them."""
    loop = asyncio.get_running_loop()
    back: list[int] = []
    call = loop.call_soon_threadsafe

    def counted(callback: Any, *arguments: Any, **options: Any) -> Any:
        back.append(len(arguments[0]) if arguments else 0)
        return call(callback, *arguments, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    wakes = 0
    loops_thread = threading.get_ident()
    notify = threading.Condition.notify

    def counted_notify(condition: threading.Condition, n: int = 1) -> None:
        nonlocal wakes
        wakes += threading.get_ident() == loops_thread
        notify(condition, n)

    monkeypatch.setattr(threading.Condition, "notify", counted_notify)
    await like_all(stage, crowd, held)
    assert back == [1, LIKES]
    assert wakes <= 1  # for the lone one; the crowd came while the thread was busy


async def test_like_by_rest_uses_no_thread_but_the_group_commits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's ASGI handler makes a thread for each request, for signals that an asynchronous view has no use for."""
    from liveplatform.asgi import api

    submitted: list[Any] = []

    def submit(self: Executor, work: Any, *arguments: Any, **options: Any) -> Any:
        submitted.append(work)
        raise AssertionError("a thread")

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", submit)
    answers: list[Any] = []
    body = b'{"kind":"love"}'
    headers = {
        b"host": b"localhost",
        b"authorization": f"Bearer {tokens.issue_token(stage.viewers[0])}".encode(),
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
    }
    path = f"/api/v1/videos/{stage.video.id}/like"
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": b"", "headers": list(headers.items())}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    await api(scope, receive, send)
    start, content = answers
    assert start["status"] == 200
    assert dict(start["headers"])[b"Content-Length"] == b"%d" % len(content["body"])
    assert orjson.loads(content["body"])["mine"] == "love"
    assert submitted == []


async def test_statement_that_the_database_refuses_is_an_error_and_nothing_is_published(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipeline the refusal comes with the answer to the COMMIT: it must count as one of the statement."""
    published = len(stage.events)
    monkeypatch.setattr("videos.likes.KINDS", ("like", "hate"))
    with pytest.raises(psycopg.errors.CheckViolation):
        await likes.like(stage.video.id, stage.viewers[0], "hate")
    assert len(stage.events) == published
    assert (await likes.like(stage.video.id, stage.viewers[1], "like"))["total"] == 1


def test_stamp_is_what_django_makes_of_the_password(stage: Stage) -> None:
    viewer = stage.viewers[0]
    assert viewer.stamp() == viewer.get_session_auth_hash()[:16]
