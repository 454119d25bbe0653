"""Limits on how often a viewer may act: what a limit has taken, and gives back. `LIVE_LIMITS=off` opens all of them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from realtime.limits import Network, RateLimit, network_of

_taken: ContextVar[tuple[RateLimit, str, int] | None] = ContextVar("_taken", default=None)
"""What the current act has taken from limits."""


class Somebody(Protocol):
    """A viewer, or what a token says about one."""

    @property
    def id(self) -> UUID: ...


def take(limit: RateLimit, who: Somebody | str, count: int = 1) -> None:
    """Count an act of a viewer, or of an address. Raises realtime.limits.Limited.

    It is a call, not a decorator: invalid input is refused before it, and does not count.
    """
    if settings.LIVE_LIMITS:
        key = who if isinstance(who, str) else str(who.id)
        limit.take(key, count)
        _taken.set((limit, key, count))


def begin() -> None:
    """Begin an act in a task that does several acts, one after the other."""
    _taken.set(None)


def give_back() -> None:
    """Give back what the current act has taken: it was refused, and not by a mistake of the person."""
    if (taken := _taken.get()) is not None:
        limit, key, count = taken
        limit.give_back(key, count)
        _taken.set(None)


def network(request: HttpRequest) -> Network:
    """Return the network that the caller's address counts as, for a limit by address."""
    return network_of(request.META.get("REMOTE_ADDR", ""))


def a_minute(count: int) -> RateLimit:
    return RateLimit(burst=count, per_second=count / 60)
