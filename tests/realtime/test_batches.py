"""Questions asked many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from realtime.batches import Batches
from realtime.log.store import StoreUnavailable


class Oracle:
    """Answers a number with its double, knows nothing of odd ones, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.hold = asyncio.Event()
        self.is_away = False

    async def answer(self, numbers: Sequence[int]) -> dict[int, int]:
        self.asked.append(list(numbers))
        await self.hold.wait()
        if self.is_away:
            raise StoreUnavailable("away")
        return {number: number * 2 for number in numbers if number % 2 == 0}


@pytest.fixture
async def oracle() -> Oracle:
    return Oracle()


async def test_lone_question_waits_for_nobody_and_the_next_ones_share(oracle: Oracle) -> None:
    batches = Batches(oracle.answer, keys_max=3)
    asking = [asyncio.create_task(batches.ask(number)) for number in (2, 4, 6, 8, 10)]
    while not oracle.asked:
        await asyncio.sleep(0)
    oracle.hold.set()
    assert await asyncio.gather(*asking) == [4, 8, 12, 16, 20]
    assert oracle.asked == [[2, 4, 6], [8, 10]]
    assert await batches.ask(3) is None


async def test_those_who_ask_the_same_share_the_answer_and_one_who_leaves_takes_it_from_nobody(oracle: Oracle) -> None:
    batches = Batches(oracle.answer, keys_max=3)
    first, second = [asyncio.create_task(batches.ask(2)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    oracle.hold.set()
    assert await second == 4
    assert oracle.asked == [[2]]


async def test_failure_is_everybodys_who_was_in_the_batch_and_nobody_elses(oracle: Oracle) -> None:
    batches = Batches(oracle.answer, keys_max=2)
    oracle.is_away = True
    oracle.hold.set()
    answers = await asyncio.gather(batches.ask(2), batches.ask(4), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    oracle.is_away = False
    assert await batches.ask(2) == 4
