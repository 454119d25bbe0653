"""How often one viewer may act here. Shared by the API and the WebSocket commands; `LIVE_LIMITS=off` opens them."""

from __future__ import annotations

from realtime.limits import RateLimit

VOTES = RateLimit(burst=10, per_second=1)
BOARD_ACTS = RateLimit(burst=20, per_second=0.5)
QUESTION_VOTES = RateLimit(burst=30, per_second=5)
