"""How often one viewer may act. Shared by the API and the WebSocket commands; `LIVE_LIMITS=off` opens them."""

from __future__ import annotations

from django.conf import settings

from realtime.limits import RateLimit

LIKES = RateLimit(burst=30, per_second=5)
COMMENTS = RateLimit(burst=10, per_second=0.5)
REACTIONS = RateLimit(burst=100, per_second=20)
SUBSCRIPTIONS = RateLimit(burst=60, per_second=5)  # per viewer or address
SAW = RateLimit(burst=200, per_second=50)  # per address; a viewer of the sample sends one every 5 s
GUESTS = RateLimit(burst=60, per_second=1)  # per address
LOGINS = RateLimit(burst=20, per_second=1 / 3)  # per address; guesses of a password


def take(limit: RateLimit, key: str, count: int = 1) -> None:
    """Count the act. Raises realtime.limits.Limited."""
    if settings.LIVE_LIMITS:
        limit.take(key, count)
