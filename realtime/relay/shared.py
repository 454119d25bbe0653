"""The relay's table, and the outbox of a dispatcher or node, as the settings describe them: one for each event loop."""

from __future__ import annotations

from django.conf import settings

from realtime.relay.table import Outbox, RelayTable
from realtime.table.redis import key_prefix, per_loop, shared_redis


@per_loop
def relay_table() -> RelayTable:
    """Return the running loop's relay table."""
    return RelayTable(shared_redis(), lease_seconds=settings.LIVE_LEASE_SECONDS, prefix=key_prefix())


@per_loop
def outbox() -> Outbox | None:
    """Return the running loop's outbox to the other regions, or None if there is no other region."""
    return Outbox(relay_table(), list(settings.LIVE_PEERS)) if settings.LIVE_PEERS else None
