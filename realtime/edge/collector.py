"""Python's cyclic collector, run at set times. Called by the server (realtime.edge.server)."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

from realtime import metrics

COLLECT_SECONDS = 10.0
COLLECT_ALL_SECONDS = 3_600.0
_collector_began = 0.0


def _observe_collector(phase: str, info: dict[str, int]) -> None:
    global _collector_began
    if phase == "start":
        _collector_began = time.monotonic()
    else:
        metrics.collector_seconds.observe(time.monotonic() - _collector_began)


async def collect(is_busy: Callable[[], bool]) -> None:
    """Run Python's cyclic collector at set times. By default it walks every live connection again and again.

    On its own it looks at young objects only. Every `COLLECT_SECONDS` it looks once at what is new. It walks the
    survivors again once an hour, and only while `is_busy` says no: streams end without cycles.
    """
    gc.set_threshold(50_000, 20, 1_000_000)
    gc.callbacks.append(_observe_collector)
    walked_at = time.monotonic()
    while True:
        if not is_busy() and time.monotonic() - walked_at > COLLECT_ALL_SECONDS:
            walked_at = time.monotonic()
            gc.unfreeze()
        gc.collect()
        gc.freeze()
        await asyncio.sleep(COLLECT_SECONDS)
