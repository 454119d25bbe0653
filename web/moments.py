"""Moments as clients read them: milliseconds since the epoch."""

from __future__ import annotations

from datetime import datetime


def to_ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
