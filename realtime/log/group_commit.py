"""Group commit: everything that arrived while the last commit ran goes into the next one.

Hop: between the backend's API and its tables. Each process has one thread with a connection of its own. A single
command commits at once. A crowd shares the transaction and its fsync. Commands are answered only after the commit.
docs/benchmarks.md has what a stored act costs. With a Django transaction for each it cost three times as much.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import psycopg

from realtime import metrics
from realtime.events import Event
from realtime.log.outages import first_line, is_outage, reason
from realtime.log.store import StoreUnavailable

logger = logging.getLogger(__name__)

C = TypeVar("C")
R = TypeVar("R")

WAIT_SECONDS = 1.5  # with the time to return it, the answer is there within the promised 2 s
BATCH_MAX_COMMANDS = 500
QUEUE_MAX_COMMANDS = 5_000
RECONNECT_SECONDS = 0.2
COLLECT_MAX_SECONDS = 0.01


@dataclass(slots=True)
class Applied(Generic[R]):
    """The result of a transaction: an outcome for each command (an exception refuses it), and the events to publish.

    Without events nothing was written. The transaction is then rolled back, which does not wait for the disk.
    """

    outcomes: list[R | Exception]
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting(Generic[C, R]):
    command: C
    deadline: float
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[R]


def _settle_all(settled: Sequence[tuple[_Waiting[C, R], R | Exception]]) -> None:
    """Hand the outcomes to their loops, one hand-over per loop: each wakes the loop and takes the GIL away from it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], R | Exception]]] = {}
    for waiting, outcome in settled:
        by_loop.setdefault(waiting.loop, []).append((waiting.future, outcome))
    for loop, outcomes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_set_outcomes, outcomes)
        except RuntimeError:
            logger.debug("group commit: the asking loop is closed")


def _set_outcomes(outcomes: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


class GroupCommit(Generic[C, R]):
    """Runs `apply(connection, commands)` over what waits, one transaction at a time.

    `apply` runs with the connection inside BEGIN … and must not commit. The connection is in pipeline mode: a round
    trip is made where `apply` fetches, and one at the end, which carries what `apply` wrote and the COMMIT.
    `publish` gets the events after the commit. `parameters` gives psycopg's connection parameters, asked at each
    connect.
    """

    def __init__(
        self,
        apply: Callable[[psycopg.Connection[Any], Sequence[C]], Applied[R]],
        *,
        publish: Callable[[Sequence[Event]], None],
        parameters: Callable[[], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._apply = apply
        self._publish = publish
        self._parameters = parameters
        self._clock = clock
        self._waiting: deque[_Waiting[C, R]] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection[Any] | None = None
        self._is_closed = False
        self._is_away = False
        self._is_committing = False
        self._is_idle = False  # True while the thread waits for a command: only then wake it

    async def submit(self, command: C) -> R:
        """Commit the command, alone or with others. Return its outcome, or raise the exception that refused it.

        Raises StoreUnavailable within `WAIT_SECONDS` when the database does not answer; the command may then still
        be committed, so commands must bear repetition.
        """
        loop = asyncio.get_running_loop()
        waiting: _Waiting[C, R] = _Waiting(command, self._clock() + WAIT_SECONDS, loop, loop.create_future())
        with self._wake:
            if len(self._waiting) >= QUEUE_MAX_COMMANDS:
                raise StoreUnavailable("too much is waiting for the database")
            self._waiting.append(waiting)
            if self._thread is None:
                self._is_closed = False
                self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
                self._thread.start()
            if self._is_idle:
                self._is_idle = False
                self._wake.notify()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await waiting.future
        except TimeoutError as error:
            raise StoreUnavailable("the database did not answer in time") from error

    def close(self) -> None:
        """End the thread after the waiting commands. The next submit starts another thread."""
        with self._wake:
            thread, self._thread = self._thread, None
            self._is_closed = True
            self._wake.notify()
        if thread is not None:
            thread.join(WAIT_SECONDS)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                began = self._clock()
                self._settle(batch)
                if len(batch) > 1:
                    # Many come at once: the longer a batch collects, the less each command costs. A single command does
                    # not wait.
                    time.sleep(min(self._clock() - began, COLLECT_MAX_SECONDS))
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _next_batch(self) -> list[_Waiting[C, R]] | None:
        with self._wake:
            while not self._waiting:
                if self._is_closed:
                    return None
                self._is_idle = True
                self._wake.wait()
            count = min(len(self._waiting), BATCH_MAX_COMMANDS)
            batch = [self._waiting.popleft() for _ in range(count)]
        now = self._clock()
        # The caller has given up, with an answer that promises nothing. It is better to drop the command than to run it
        # late.
        return [waiting for waiting in batch if waiting.deadline > now]

    def _settle(self, batch: Sequence[_Waiting[C, R]]) -> None:
        was_open = self._connection is not None
        try:
            outcomes = self._commit([waiting.command for waiting in batch])
        except Exception as error:
            if is_outage(error):
                self._refuse_or_repeat(batch, error, was_open=was_open)
                return
            if len(batch) == 1:
                logger.exception("group commit: a command failed")
                _settle_all([(batch[0], error)])
                return
            # One of them is bad. Run each on its own, so that the others do not fail with it.
            for waiting in batch:
                self._settle([waiting])
            return
        if self._is_away:
            self._is_away = False
            logger.info("group commit: the database is back")
        _settle_all(list(zip(batch, outcomes, strict=True)))

    def _refuse_or_repeat(self, batch: Sequence[_Waiting[C, R]], error: Exception, *, was_open: bool) -> None:
        """If the connection has died meanwhile, run the command again on a new one. Else refuse it.

        The server was restarted, or a standby has taken over, and callers need not notice. Only commands that never
        reached their COMMIT run again.
        """
        has_died = was_open and self._connection is not None and self._connection.closed
        self._disconnect()
        if has_died and not self._is_committing:
            now = self._clock()
            self._settle([waiting for waiting in batch if waiting.deadline > now])
            return
        if not self._is_away:  # once: a line for each refused batch would fill a disk
            self._is_away = True
            logger.warning("group commit: database away: %s", first_line(error))
        away = StoreUnavailable("the database is away", reason=reason(error))
        _settle_all([(waiting, away) for waiting in batch])
        time.sleep(RECONNECT_SECONDS)

    def _commit(self, commands: Sequence[C]) -> list[R | Exception]:
        began = self._clock()
        self._is_committing = False
        connection = self._connect()
        try:
            with connection.pipeline():
                connection.execute("BEGIN")
                applied = self._apply(connection, commands)
                # The locks alone would make a commit wait for the disk. Then a refused act on something private would
                # take longer than one on something that does not exist.
                self._is_committing = True
                connection.execute("COMMIT" if applied.events else "ROLLBACK")
        except BaseException:
            if not connection.closed and not connection.broken:
                connection.rollback()
            raise
        self._publish(applied.events)
        metrics.commit_batch.observe(len(commands))
        metrics.commit_seconds.observe(self._clock() - began)
        return applied.outcomes

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(**self._parameters(), autocommit=True)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
