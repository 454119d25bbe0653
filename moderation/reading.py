"""What moderators look up: who has a role, who is kept out, what was done, and the history of one person.

Called by the API, the studio and the admin. Only for those who may read it; nobody else learns that it is there.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import Viewer
from accounts.representation import person
from moderation import rights, sharing
from moderation.models import AuditEntry, PersonNote, Restriction, Role
from moderation.representation import entry_json, note_json, restriction_json, role_json
from moderation.restrictions import current
from web.refusals import NotFound

HISTORY_MAX = 50


def roles(owner_id: UUID, actor: Viewer) -> list[dict[str, Any]]:
    """Return who has a role in the channel, moderators first. Raises Forbidden."""
    rights.require("read", owner_id, actor)
    found = Role.objects.filter(channel=owner_id).select_related("viewer").order_by("-kind", "viewer__name", "id")
    return [role_json(role) for role in found]


def restrictions(owner_id: UUID | None, actor: Viewer, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Return who is kept out now, the newest first. Raises Forbidden."""
    rights.require("read", owner_id, actor)
    found = current().filter(channel=owner_id).select_related("viewer", "given_by").order_by("-id")
    return [restriction_json(each) for each in (found.filter(id__lt=before) if before else found)[:limit]]


def acts(owner_id: UUID, actor: Viewer, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Return what was done, the newest first. Raises Forbidden."""
    rights.require("read", owner_id, actor)
    found = _entries().filter(channel=owner_id).order_by("-seq")
    return [entry_json(entry) for entry in (found.filter(seq__lt=before) if before is not None else found)[:limit]]


def history(owner_id: UUID, viewer_id: UUID, actor: Viewer) -> dict[str, Any]:
    """Return what the channel knows of a person. Eight queries. Raises Forbidden, NotFound."""
    rights.require("read", owner_id, actor)
    viewer = Viewer.objects.filter(id=viewer_id).first()
    if viewer is None:
        raise NotFound("There is no such person.")
    here = {"channel": owner_id, "viewer": viewer}
    restriction: Restriction | None = current().filter(**here).select_related("viewer", "given_by").first()
    notes = PersonNote.objects.filter(**here).select_related("author").order_by("-id")[:HISTORY_MAX]
    return {
        "viewer": person(viewer),
        "role": Role.objects.filter(**here).values_list("kind", flat=True).first(),
        "restriction": restriction_json(restriction) if restriction is not None else None,
        "taken": sharing.of_person(owner_id, viewer_id),
        "notes": [note_json(note) for note in notes],
        "acts": [entry_json(entry) for entry in _entries().filter(**here).order_by("-seq")[:HISTORY_MAX]],
    }


def _entries() -> Any:
    return AuditEntry.objects.select_related("actor", "viewer", "undone_by")
