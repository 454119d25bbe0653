"""How often one viewer may change what they hear of, and say what they have seen (realtime.act_limits)."""

from __future__ import annotations

from realtime.limits import RateLimit

CHOICES = RateLimit(burst=30, per_second=0.5)
SEEN = RateLimit(burst=30, per_second=1)
