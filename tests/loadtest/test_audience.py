"""Viewers spread over processes: each is checked, and a process that dies ends the load test."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from loadtest.audience import WatcherDied
from loadtest.connection import OPENING_MAX, StreamKind
from loadtest.report import to_text
from tests.loadtest.fake_site import FakeSite
from tests.loadtest.runs import load_test, only, run


async def test_viewers_are_spread_over_processes_and_each_is_checked(fake: FakeSite) -> None:
    fake.lie = only(4, lambda viewer, event: [] if event.seq == 4 else [event])
    result = await run(fake, processes=3, transport=StreamKind.MIX)
    assert (result.connected, result.generator_processes) == (6, 4)
    assert (result.lost_comments, result.doubled, result.out_of_order) == (1, 0, 1)
    assert result.like_deliveries == 6 * 20
    assert result.frames == 6 * 30 - 1
    assert Counter(stream[":path"].partition("?")[0] for stream in fake.streams) == {"/events": 3, "/ws": 3}


async def test_all_processes_together_open_as_many_connections_at_a_time_as_one(fake: FakeSite) -> None:
    for processes in (1, 6):
        orders = load_test(fake, processes=processes).audience.orders
        together = sum(order.watch.openings_max for order in orders)
        assert OPENING_MAX - processes <= together <= OPENING_MAX


async def test_a_process_that_dies_ends_the_load_test_with_its_name(fake: FakeSite) -> None:
    test = load_test(fake, processes=2, seconds=60)
    fake.on_comment = lambda comment: os.kill(test.audience.pids[1], signal.SIGKILL)
    with pytest.raises(WatcherDied, match=r"^generator process 2 of 2 ended with exit code -9$"):
        await test.run()
    for pid in test.audience.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_process_that_says_nothing_any_more_is_as_good_as_dead(
    fake: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.audience.SILENCE_SECONDS", 3)
    test = load_test(fake, processes=2, seconds=60)
    fake.on_comment = lambda comment: os.kill(test.audience.pids[0], signal.SIGSTOP)
    with pytest.raises(WatcherDied, match=r"^generator process 1 of 2 has said nothing for 3 s$"):
        await test.run()


async def test_a_process_that_fails_says_why_in_its_last_line(fake: FakeSite) -> None:
    with pytest.raises(WatcherDied, match=r"process 1 of 1 ended with exit code 1: \S*TypeError"):
        await run(fake, watch={"ramp_seconds": "soon"})


async def test_processes_are_told_each_new_ticket(fake: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.audience.TICKET_SECONDS", 0.02)
    tickets = iter(range(1_000_000))
    test = load_test(fake, viewers=1, seconds=0.5, ticket=lambda: f"ticket-{next(tickets)}")
    fake.on_comment = lambda comment: fake.viewers[0].cut() if comment["seq"] == 10 else None
    result = await test.run()
    assert result.passed, to_text(result)
    first, second = (stream[":path"].rpartition("=")[2] for stream in fake.streams)
    assert first != second
