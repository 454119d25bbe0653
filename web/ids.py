"""The ids that we give: UUIDs, ordered by time."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def new_id() -> UUID:
    """Return a UUID version 7: ordered by time, so that new rows land at the end of their indexes."""
    return uuid7()


def parse_id(text: str) -> UUID:
    """Return an id. Raises ValueError unless it is written like our own ids: Python also takes braces and URNs."""
    if not ID.fullmatch(text):
        raise ValueError("an id looks like 01a20c4b-3598-7508-8132-5e721642feef")
    return UUID(text)
