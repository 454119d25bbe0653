"""How people want to hear of things: the one place that all who send ask.

Called by the API, the page, and before anything is sent. Who has chosen nothing has the defaults.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import transaction

from accounts.models import Viewer
from notices.inbox import lock, record
from notices.models import NoticeChoice

SITE, PUSH, MAIL, TEXT = "site", "push", "mail", "text"
"""The number in the head of all pages; messages to browsers; mails to those whose browsers take no messages; whether
messages to browsers show what was written."""

WAYS: Mapping[str, Mapping[str, bool]] = {
    "live": {PUSH: True, MAIL: True},
    "soon": {PUSH: True, MAIL: True},
    "answer": {SITE: True, PUSH: False},
    "mention": {SITE: True, PUSH: False},
    "message": {SITE: True, PUSH: False, TEXT: True},
}
"""What one can hear of, in which ways, and whether one does who has chosen nothing."""


def wanting(viewer_ids: Collection[UUID], kind: str, way: str) -> set[UUID]:
    """Return who of these people wants to hear of this kind of things in this way. One query."""
    is_default = WAYS[kind][way]
    chosen = NoticeChoice.objects.filter(viewer__in=viewer_ids, kind=kind, way=way, is_on=not is_default)
    others = set(chosen.values_list("viewer_id", flat=True))
    return set(viewer_ids) - others if is_default else others


def read(viewer_id: UUID) -> dict[str, dict[str, bool]]:
    """Return all choices of somebody, by kind and way. One query."""
    found = {kind: dict(ways) for kind, ways in WAYS.items()}
    for kind, way, is_on in NoticeChoice.objects.filter(viewer=viewer_id).values_list("kind", "way", "is_on"):
        if way in found.get(kind, ()):  # another release may know more
            found[kind][way] = is_on
    return found


@transaction.atomic
def choose(viewer: Viewer, chosen: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Change some choices, by kind and way; return all. Their open pages follow."""
    heads = lock([viewer.id])
    rows = [
        NoticeChoice(viewer_id=viewer.id, kind=kind, way=way, is_on=is_on)
        for kind, ways in chosen.items()
        for way, is_on in ways.items()
    ]
    NoticeChoice.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["viewer", "kind", "way"], update_fields=["is_on"]
    )
    record(heads, [viewer.id])
    return read(viewer.id)
