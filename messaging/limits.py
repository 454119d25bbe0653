"""How often a viewer may write, and change conversations. `LIVE_LIMITS=off` opens them (realtime.act_limits)."""

from __future__ import annotations

from realtime.limits import RateLimit

MESSAGES = RateLimit(burst=20, per_second=1)
CONVERSATIONS = RateLimit(burst=20, per_second=0.2)  # starting one, members, blocks
