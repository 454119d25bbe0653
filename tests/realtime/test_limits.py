"""Token buckets, connection counts and tickets."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from django.conf import settings

from accounts.limits import GUESTS, LOGINS
from realtime.edge import tickets
from realtime.identity import Identity
from realtime.limits import REFUSAL_SECONDS, ConnectionLimit, Limited, NetworkFull, RateLimit, even_out, network_of
from tests.kit import Clock, held_by


def test_burst_then_a_steady_rate() -> None:
    clock = Clock(0.0)
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
    limit = RateLimit(burst=10, per_second=1, clock=Clock(0.0))
    with pytest.raises(Limited):
        limit.take("ada", 11)
    limit.take("ada", 10)


def test_keys_are_bounded() -> None:
    limit = RateLimit(burst=1, per_second=1, clock=Clock(0.0), keys_max=5)
    for number in range(20):
        limit.take(str(number))
    for number in range(15, 20):
        with pytest.raises(Limited):
            limit.take(str(number))
    for number in range(15):  # forgotten
        limit.take(str(number))


def test_connections_are_counted_by_address_and_by_viewer() -> None:
    """Who is refused hears whether it is their own streams that are too many, or those of all at their address."""
    limit = ConnectionLimit(per_address=3, per_viewer=2)
    here = network_of("192.0.2.1")
    limit.enter(here, "ada")
    limit.enter(here, "ada")
    with pytest.raises(Limited) as refused:
        limit.enter(here, "ada")
    assert not isinstance(refused.value, NetworkFull)
    limit.enter(here, "")
    with pytest.raises(NetworkFull):
        limit.enter(here, "bo")
    limit.leave(here, "ada")
    limit.enter(here, "bo")


def test_counts_leave_nothing_behind() -> None:
    limit = ConnectionLimit(per_address=1, per_viewer=1)
    before = held_by(limit)
    limit.enter(network_of("::1"), "ada")
    assert held_by(limit) > before
    limit.leave(network_of("::1"), "ada")
    assert held_by(limit) == before


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_address_counts_as_what_one_customer_gets(address: str, network: str) -> None:
    """Every customer of IPv6 has 2 ** 64 addresses: a limit for each of them was none."""
    assert network_of(address) == network


def test_nobody_keys_a_limit_on_a_bare_address(checkout: Path, packages: list[str]) -> None:
    """Limits per address go through `network_of`. Who else reads one asks whether it is this machine
    (health.py), or shows it to the owner of an account (browsers.py).
    """
    source = [path for folder in packages for path in (checkout / folder).rglob("*.py")]
    readers = {path.name for path in source if "REMOTE_ADDR" in path.read_text()}
    assert readers == {"health.py", "act_limits.py", "browsers.py"}


def test_guests_and_sign_ins_of_an_address_are_settings() -> None:
    assert (GUESTS.burst, GUESTS.per_second) == (settings.LIVE_GUESTS_PER_ADDRESS, 5)
    assert LOGINS.burst == settings.LIVE_LOGINS_PER_ADDRESS


async def test_refusals_take_the_same_time_whatever_the_reason() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    for took in (0.0, 0.02, 1.0):
        await even_out(100.0, clock=lambda took=took: 100.0 + took, sleep=sleep)  # type: ignore[misc]
    assert waits == pytest.approx([REFUSAL_SECONDS, REFUSAL_SECONDS - 0.02, 0.0])


def test_ticket_says_who_may_watch_what() -> None:
    ticket = tickets.issue(["video:1"], Identity("ada", stamp="s1", session="secret"), load=True)
    said = tickets.read(ticket)
    assert (said.identity, said.is_load) == (Identity("ada", False, frozenset(("video:1",)), "s1"), True)


@pytest.mark.parametrize(
    ("of", "good", "expired"), [({}, 4 * 3_599, 14_401), ({"expires_in_seconds": 90}, 89, 91), ({"load": True}, 59, 61)]
)
def test_ticket_expires(monkeypatch: pytest.MonkeyPatch, of: dict[str, int], good: int, expired: int) -> None:
    now = time.time()
    ticket = tickets.issue(["video:1"], **of)  # type: ignore[arg-type]
    monkeypatch.setattr("realtime.edge.tickets.time.time", lambda: now + good)
    assert good - 1 < tickets.read(ticket).age_seconds < good + 1
    monkeypatch.setattr("realtime.edge.tickets.time.time", lambda: now + expired)
    with pytest.raises(tickets.BadTicket):
        tickets.read(ticket)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: "A" + t, lambda t: t * 100, lambda t: "", lambda t: "ü"]
)
def test_changed_ticket_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(tickets.BadTicket):
        tickets.read(change(tickets.issue(["video:1"])))
