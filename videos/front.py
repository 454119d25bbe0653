"""What the home page shows everybody, read and drawn once for all who come: `Front`. Called by following.pages.

It may be `SHARED_SECONDS` old. Who may broadcast has it read anew: what they have begun is on their next page.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.safestring import SafeString

from accounts.models import Viewer
from accounts.pages import SHARED_SECONDS
from videos.cards import Cards, list_cards
from videos.rights import may_broadcast
from web.shared import Shared

CARDS_MAX = 24


@dataclass(slots=True)
class Front:
    """The first page of each list at one moment. Nothing changes `lists`: many pages show them.

    `read_at`: monotonic. `drawn`: what is drawn of it already, by what it is (videos.templatetags.once).
    """

    lists: Mapping[str, Cards]
    read_at: float
    drawn: dict[Any, SafeString] = field(default_factory=dict)

    def is_current(self) -> bool:
        return time.monotonic() < self.read_at + SHARED_SECONDS


kept_front: Shared[None, Front] = Shared()


async def front_for(viewer: Viewer | None) -> Front:
    """Return what the home page shows now. Raises StoreUnavailable."""
    if viewer is not None and may_broadcast(viewer):
        return await _read()
    kept, is_first = await kept_front.find(None)
    if kept is not None:
        return kept
    made = None
    try:
        made = await _read()
    finally:
        if is_first:
            kept_front.made(None, made)
    return made


async def _read() -> Front:
    read_at = time.monotonic()
    return Front(await list_cards(CARDS_MAX), read_at)
