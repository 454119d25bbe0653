"""How often one viewer may report something. Shared by the API and the WebSocket commands."""

from __future__ import annotations

from realtime.limits import RateLimit

COMPLAINTS = RateLimit(burst=10, per_second=0.05)
SHARES = RateLimit(burst=20, per_second=0.05)
