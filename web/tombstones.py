"""What stays of a deleted comment or message: which one it was, and its place. So nothing older moves into a list.

Called by the acts of apps that delete, and by their topics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID


def deleted_json(id: UUID, seq: int) -> dict[str, Any]:
    """Return what an event says of something deleted."""
    return {"id": str(id), "seq": seq}


def tombstone(id: UUID, seq: int) -> dict[str, Any]:
    """Return what keeps its place in a snapshot."""
    return {**deleted_json(id, seq), "deleted": True}


def with_deleted(items: Sequence[Any], deleted: Mapping[str, Any], *, most: int) -> list[Any]:
    """Return the `most` newest of a snapshot's items when one is deleted.

    One that is not among them yet gets its place there: the event that brought it has become its deletion, because its
    text is gone (realtime.kinds.TopicKind.takes_back). One that is older than all of them stays outside.
    """
    place = next((item for item in items if item["id"] == deleted["id"]), deleted)
    if "seq" not in place:  # the last release leaves it out
        return list(items)
    left = {"id": deleted["id"], "seq": place["seq"], "deleted": True}
    others = [item for item in items if item["id"] != deleted["id"]]
    return sorted([*others, left], key=lambda item: int(item["seq"]))[-most:]
