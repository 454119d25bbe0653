"""Who may read figures: this machine, and those who send the site's token."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.test import RequestFactory

from realtime import health, telemetry
from realtime.relay.receiver import Receiver
from realtime.relay.signing import Keyring
from realtime.scraping import may_scrape

TOKEN = "0123456789abcdef"
OF_THE_REGION = pytest.param("/metrics/region", marks=pytest.mark.django_db(transaction=True))
GOOD = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may(address: str) -> None:
    assert may_scrape(address, [], token="")
    assert may_scrape(address, [], token=TOKEN)


@pytest.mark.parametrize("address", ["10.0.0.1", "203.0.113.9", "::ffff:10.0.0.1", "2001:db8::1", "", "unix"])
@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ü"])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_others_may_not_without_the_token(address: str, sent: str, token: str) -> None:
    assert not may_scrape(address, [(b"authorization", sent.encode())], token=token)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_the_token_may_be_written_in_any_case(scheme: str) -> None:
    """A scraper that writes it in small letters was refused (RFC 9110, 11.1)."""
    assert may_scrape("203.0.113.9", [(b"authorization", f"{scheme} {TOKEN}".encode())], token=TOKEN)


@pytest.mark.parametrize("header", [b"X-Forwarded-For", b"x-real-ip", b"forwarded"])
def test_what_a_proxy_on_this_machine_passes_on_comes_from_elsewhere(header: bytes) -> None:
    assert not may_scrape("127.0.0.1", [(header, b"127.0.0.1")], token=TOKEN)


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("localhost", True),
        ("live.example.org", True),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("..", False),
    ],
)
def test_this_machine_asks_by_an_address_or_a_name_of_the_site(settings: Any, host: str, may: bool) -> None:
    """Figures are open to any name of a node; but a page whose own name leads to 127.0.0.1 must not read them."""
    settings.ALLOWED_HOSTS = ["live.example.org"]
    assert may_scrape("127.0.0.1", [(b"host", host.encode())], token="") is may
    assert may_scrape(
        "10.0.0.1", [(b"host", host.encode()), (b"authorization", f"Bearer {TOKEN}".encode())], token=TOKEN
    )


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("10.0.0.1", {}, 403),
        ("10.0.0.1", GOOD, 200),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.1"}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.1", **GOOD}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", OF_THE_REGION, "relay"])
async def test_figures_are_for_the_operator(
    settings: Any, path: str, address: str, headers: dict[str, str], status: int
) -> None:
    """They were open to everybody wherever no rule of a proxy stood in front: how many people, what is in trouble."""
    settings.LIVE_METRICS_TOKEN = TOKEN
    if path == "relay":
        assert await status_of_relay(address, headers) == status
        return
    view = health.metrics if path == "/metrics" else health.region_metrics
    answer = await view(RequestFactory().get(path, headers=headers, REMOTE_ADDR=address))
    assert answer.status_code == status
    assert (b"live_" in answer.content) is (status == 200)


@pytest.mark.django_db(transaction=True)
async def test_figures_without_redis_say_that_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were 503: Prometheus could not tell it from a site where no node answers."""

    def away() -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(telemetry, "shared_redis", away)
    answer = await health.region_metrics(RequestFactory().get("/metrics/region", REMOTE_ADDR="127.0.0.1"))
    assert answer.status_code == 200
    assert {"live_redis_up 0.0", "live_postgres_up 1.0"} <= set(answer.content.decode().splitlines())


async def status_of_relay(address: str, headers: dict[str, str]) -> int:
    """Ask a relay of one region for its figures."""
    nothing: Any = None
    receiver = Receiver(
        Keyring("eu", []), nothing, dispatcher=nothing, shared=nothing, presence=nothing, metrics_token=TOKEN
    )
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": sent, "client": (address, 1)}
    await receiver(scope, receive, send)
    status: int = answers[0]["status"]
    return status
