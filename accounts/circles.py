"""The people that a viewer knows, and the people that they do not read. Apps that let viewers meet add them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from accounts.models import Viewer

Circle = Callable[[UUID], Collection[UUID]]
"""Called with a viewer, in a database thread; returns others."""

acquaintances: list[Circle] = []
"""The people that a viewer knows. Apps add theirs in AppConfig.ready(), here and below."""

friends: list[Circle] = []
"""The people that a viewer has talked with: each shows themselves to the other."""

strangers: list[Circle] = []
"""The people that are never shown to a viewer: one of the two blocks the other."""

muted: list[Circle] = []
"""The people that a viewer blocks, and therefore does not read."""


def blocked_by(viewer: Viewer | None) -> list[str]:
    """Return the ids, as text, of the people that the viewer does not read."""
    return sorted(str(id) for ids in muted for id in ids(viewer.id)) if viewer is not None else []
