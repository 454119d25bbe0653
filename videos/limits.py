"""How often one viewer may act. Shared by the API and the WebSocket commands; `LIVE_LIMITS=off` opens them."""

from __future__ import annotations

from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest

from realtime.limits import Network, RateLimit, network_of

LIKES = RateLimit(burst=30, per_second=5)
COMMENTS = RateLimit(burst=10, per_second=0.5)
REACTIONS = RateLimit(burst=100, per_second=20)
SUBSCRIPTIONS = RateLimit(burst=60, per_second=5)  # per viewer
ANONYMOUS_SUBSCRIPTIONS = RateLimit(burst=300, per_second=25)  # per address
SAW = RateLimit(burst=200, per_second=50)  # per address; of a node's sample, 200 viewers, each sends one every 5 s


def _a_minute(count: int) -> RateLimit:
    return RateLimit(burst=count, per_second=count / 60)


GUESTS = _a_minute(settings.LIVE_GUESTS_PER_ADDRESS)
LOGINS = _a_minute(settings.LIVE_LOGINS_PER_ADDRESS)  # guesses of a password
DEVICES = RateLimit(burst=settings.LIVE_DEVICES_PER_ADDRESS, per_second=settings.LIVE_DEVICES_PER_ADDRESS / 3600)
GUESSES = RateLimit(burst=10, per_second=1 / 60)  # per account, or per browser that has signed in with it before


_taken: ContextVar[tuple[RateLimit, str, int] | None] = ContextVar("_taken", default=None)
"""What the act that is under way has taken."""


def take(limit: RateLimit, key: str, count: int = 1) -> None:
    """Count the act. Raises realtime.limits.Limited."""
    if settings.LIVE_LIMITS:
        limit.take(key, count)
        _taken.set((limit, key, count))


def begin() -> None:
    """Begin an act in a task that has acts one after the other."""
    _taken.set(None)


def give_back() -> None:
    """Count the act that is under way for nothing: it was refused, and the person is not to blame."""
    if (taken := _taken.get()) is not None:
        limit, key, count = taken
        limit.give_back(key, count)
        _taken.set(None)


def network(request: HttpRequest) -> Network:
    """Return what the asker's address is counted as, for a limit per address."""
    return network_of(request.META.get("REMOTE_ADDR", ""))
