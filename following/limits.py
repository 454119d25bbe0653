"""How often one viewer may follow and look for something. `LIVE_LIMITS=off` opens them (realtime.act_limits)."""

from __future__ import annotations

from realtime.limits import RateLimit

FOLLOWS = RateLimit(burst=30, per_second=0.5)
SEARCHES = RateLimit(burst=30, per_second=2)  # of an address
