"""Token buckets, connection counts and tickets."""

from __future__ import annotations

import pytest

from realtime import tickets
from realtime.connections import Watcher
from realtime.limits import REFUSAL_SECONDS, ConnectionLimit, Limited, RateLimit, even_out


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_burst_then_a_steady_rate() -> None:
    clock = Clock()
    limit = RateLimit(burst=3, per_second=0.5, clock=clock)
    for _ in range(3):
        limit.take("ada")
    with pytest.raises(Limited) as refused:
        limit.take("ada")
    assert refused.value.retry_seconds == 2
    limit.take("bo")
    clock.now = 2.0
    limit.take("ada")
    with pytest.raises(Limited):
        limit.take("ada")


def test_refused_take_takes_nothing() -> None:
    limit = RateLimit(burst=10, per_second=1, clock=Clock())
    with pytest.raises(Limited):
        limit.take("ada", 11)
    limit.take("ada", 10)


def test_keys_are_bounded() -> None:
    limit = RateLimit(burst=1, per_second=1, clock=Clock(), keys_max=5)
    for number in range(20):
        limit.take(str(number))
    assert len(limit._buckets) == 5


def test_connections_are_counted_by_address_and_by_viewer() -> None:
    limit = ConnectionLimit(per_address=3, per_viewer=2)
    limit.enter("::1", "ada")
    limit.enter("::1", "ada")
    with pytest.raises(Limited):
        limit.enter("::1", "ada")
    limit.enter("::1", "")
    with pytest.raises(Limited):
        limit.enter("::1", "bo")
    limit.leave("::1", "ada")
    limit.enter("::1", "bo")


def test_counts_leave_nothing_behind() -> None:
    limit = ConnectionLimit()
    limit.enter("::1", "ada")
    limit.leave("::1", "ada")
    assert (limit._addresses, limit._viewers) == ({}, {})


async def test_refusals_take_the_same_time_whatever_the_reason() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    for took in (0.0, 0.02, 1.0):
        await even_out(100.0, clock=lambda took=took: 100.0 + took, sleep=sleep)  # type: ignore[misc]
    assert waits == pytest.approx([REFUSAL_SECONDS, REFUSAL_SECONDS - 0.02, 0.0])


def test_ticket_says_who_may_watch_what() -> None:
    ticket = tickets.issue(["video:1"], Watcher("ada", stamp="s1", session="secret"), load=True)
    assert tickets.read(ticket) == (Watcher("ada", False, frozenset(("video:1",)), "s1"), True)


def test_ticket_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = tickets.issue(["video:1"])
    monkeypatch.setattr(tickets, "EXPIRES_SECONDS", -1)
    with pytest.raises(tickets.BadTicket):
        tickets.read(ticket)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: "A" + t, lambda t: t * 100, lambda t: "", lambda t: "ü"]
)
def test_changed_ticket_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(tickets.BadTicket):
        tickets.read(change(tickets.issue(["video:1"])))
