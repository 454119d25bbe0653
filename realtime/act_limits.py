"""How often somebody may act: what a limit has taken, and gives back. `LIVE_LIMITS=off` opens all of them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from realtime.limits import Network, RateLimit, network_of

_taken: ContextVar[tuple[RateLimit, str, int] | None] = ContextVar("_taken", default=None)
"""What the act that is under way has taken."""


class Somebody(Protocol):
    """A viewer, or what a token says of one."""

    @property
    def id(self) -> UUID: ...


def take(limit: RateLimit, who: Somebody | str, count: int = 1) -> None:
    """Count an act of somebody, or of an address. Raises realtime.limits.Limited.

    A call, not a decorator: what is not valid is refused before it, and counts for nothing.
    """
    if settings.LIVE_LIMITS:
        key = who if isinstance(who, str) else str(who.id)
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


def a_minute(count: int) -> RateLimit:
    return RateLimit(burst=count, per_second=count / 60)
