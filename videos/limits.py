"""How often one viewer may act. Shared by the API and the WebSocket commands; `LIVE_LIMITS=off` opens them."""

from __future__ import annotations

from realtime.limits import RateLimit

LIKES = RateLimit(burst=30, per_second=5)
COMMENTS = RateLimit(burst=10, per_second=0.5)
REACTIONS = RateLimit(burst=100, per_second=20)
SUBSCRIPTIONS = RateLimit(burst=60, per_second=5)  # per viewer
ANONYMOUS_SUBSCRIPTIONS = RateLimit(burst=300, per_second=25)  # per address
SAW = RateLimit(burst=200, per_second=50)  # per address; of a node's sample, 200 viewers, each sends one every 5 s
