"""The people that a viewer knows, and those that they do not read. Apps that let viewers meet say who that is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from accounts.models import Viewer

Circle = Callable[[UUID], Collection[UUID]]
"""Called with a viewer, in a database thread; returns others."""

acquaintances: list[Circle] = []
"""Those that a viewer knows. Apps add theirs in AppConfig.ready(), here and below."""

strangers: list[Circle] = []
"""Those that a viewer is not shown, whatever else is true: one of the two blocks the other."""

muted: list[Circle] = []
"""Those whose comments a viewer does not read: the viewer blocks them."""


def blocked_by(viewer: Viewer | None) -> list[str]:
    """Return those whose comments the viewer does not read, as text."""
    return sorted(str(id) for ids in muted for id in ids(viewer.id)) if viewer is not None else []
