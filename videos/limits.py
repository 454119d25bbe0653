"""How often one viewer may act. Shared by the API and the WebSocket commands; `LIVE_LIMITS=off` opens them."""

from __future__ import annotations

from realtime.limits import RateLimit

LIKES = RateLimit(burst=30, per_second=5)
COMMENTS = RateLimit(burst=10, per_second=0.5)
REACTIONS = RateLimit(burst=100, per_second=20)
EMOJI = RateLimit(burst=50, per_second=0.1)
THUMBNAILS = RateLimit(burst=10, per_second=0.1)
