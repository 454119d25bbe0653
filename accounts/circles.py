"""Whom somebody knows and whom they do not read, as far as apps that let viewers meet have said so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from accounts.models import Viewer

Circle = Callable[[UUID], Collection[UUID]]
"""Called with a viewer, in a database thread; returns others."""

acquaintances: list[Circle] = []
"""Whom one knows. Apps that let viewers meet add theirs in AppConfig.ready()."""

strangers: list[Circle] = []
"""Whom one is not shown, whatever else is true: who has blocked whom."""

muted: list[Callable[[UUID], Collection[UUID]]] = []
"""Whose comments a viewer does not read: whom they block. Apps that know add theirs in AppConfig.ready()."""


def blocked_by(viewer: Viewer | None) -> list[str]:
    """Return those whose comments the viewer does not read, as text."""
    return sorted(str(id) for ids in muted for id in ids(viewer.id)) if viewer is not None else []
