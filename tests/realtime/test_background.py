"""Background tasks that somebody owns."""

from __future__ import annotations

import asyncio
import logging

import pytest

from realtime.background import BackgroundTasks
from tests.kit import until


async def fail(error: Exception) -> None:
    raise error


async def test_failure_is_logged_with_owner_and_name_but_for_those_that_somebody_waits_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = BackgroundTasks("node 1", quiet=(KeyError,))
    tasks.spawn(fail(ValueError("a bug")), name="look")
    tasks.spawn(fail(KeyError("expected")), name="load")
    await until(lambda: not len(tasks))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "node 1: look failed"
    ]


async def test_a_failed_pass_does_not_end_the_later_ones(caplog: pytest.LogCaptureFixture) -> None:
    tasks = BackgroundTasks("node 1")
    passes: list[int] = []

    async def step() -> None:
        passes.append(len(passes))
        if len(passes) == 1:
            raise ValueError("a bug")

    tasks.repeat(step, 0.001, name="look")
    await until(lambda: len(passes) > 2)
    await tasks.aclose()
    assert [record.getMessage() for record in caplog.records] == ["node 1: a pass failed: look"]


async def test_all_end_with_their_owner() -> None:
    tasks = BackgroundTasks("node 1")
    begun = asyncio.Event()

    async def last() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = tasks.spawn(last(), name="last")
    await begun.wait()
    await tasks.aclose()
    assert task.cancelled() and not len(tasks)


async def test_task_that_lost_its_cancel_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that told its figures to Redis in the moment of its end never ended."""
    monkeypatch.setattr("realtime.background.CANCEL_AGAIN_SECONDS", 0.01)
    written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def tell_forever() -> None:
        await asyncio.wait_for(written, 3_600)
        await asyncio.sleep(3_600)

    tasks = BackgroundTasks("node 1")
    tasks.spawn(tell_forever(), name="tell")
    await asyncio.sleep(0)
    written.set_result(None)
    await tasks.aclose()
    assert not len(tasks)
