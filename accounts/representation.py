"""What everybody may read about a viewer: one JSON form for REST, events and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID


class Named(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


class Pictured(Named, Protocol):
    @property
    def picture(self) -> int: ...


def person(viewer: Named) -> dict[str, Any]:
    return {"id": str(viewer.id), "name": viewer.name}


def with_picture(viewer: Pictured) -> dict[str, Any]:
    """Return a person with the moment of their picture, its `t` (accounts.portraits), if they have one."""
    return {**person(viewer), "picture": viewer.picture} if viewer.picture else person(viewer)


def by_account(written: Mapping[str, Any], merged: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a comment or message as it reads after its author, a guest, has become an account."""
    if written.get("author", {}).get("id") != merged["from"]:
        return written
    return {**written, "author": merged["viewer"], "client_id": None}
