"""Stamps: when a batch of events passed each hop of the path, told beside it. docs/latency.md says what for.

Hop: all of them. The publisher begins the stamps, each dispatcher and relay adds its own, the node reads them. They
are a flat JSON object: `region`, where the batch was born, and moments in epoch milliseconds: `published` (by the
backend, after its commit), `dispatched` (sent to the nodes), `relayed` (taken by the relay of another region). What
an event alone knows, when it was received, is its own `at_ms`.
"""

from __future__ import annotations

MOMENTS = ("published", "dispatched", "relayed")
LATEST_MS = 1 << 48  # far beyond any clock: what is above it is no time
REGION_MAX_CHARACTERS = 64

Stamps = dict[str, int | str]


def clean(stamps: object) -> Stamps:
    """Return of what came as stamps that which is some: what others have sent proves nothing by itself."""
    if not isinstance(stamps, dict):
        return {}
    found: Stamps = {name: stamps[name] for name in MOMENTS if _is_moment(stamps.get(name))}
    region = stamps.get("region")
    if isinstance(region, str) and region.isidentifier() and len(region) <= REGION_MAX_CHARACTERS:
        found["region"] = region
    return found


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < LATEST_MS
