"""The picture of a person: small, square, and for everybody. Kept in the database, beside their account.

Called by the API, the pages, and the page of a channel.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now

from accounts.models import Portrait, Viewer
from web.moments import to_ms
from web.uploads import as_jpeg

PIXELS = 256  # each way


def as_portrait(kind: str, data: bytes) -> bytes:
    """Return a picture as it is kept. Blocks. Raises Invalid."""
    return as_jpeg(kind, data, PIXELS, PIXELS)


def keep(viewer: Viewer, made: bytes) -> str:
    """Make a picture the one of the viewer, as `as_portrait` has made it; return its path."""
    Portrait.objects.update_or_create(viewer=viewer, defaults={"data": made, "changed_at": Now()})
    return path_of(viewer.id)


def remove(viewer: Viewer) -> None:
    Portrait.objects.filter(viewer=viewer).delete()


def path_of(viewer_id: UUID) -> str:
    """Return where the picture is, "" if there is none. Its time is in the address, so a newer one is fetched."""
    changed_at = Portrait.objects.filter(viewer_id=viewer_id).values_list("changed_at", flat=True).first()
    return f"/api/v1/viewers/{viewer_id}/portrait?t={to_ms(changed_at)}" if changed_at else ""


def read(viewer_id: UUID) -> bytes | None:
    found = Portrait.objects.filter(viewer_id=viewer_id, viewer__is_active=True).values_list("data", flat=True).first()
    return bytes(found) if found is not None else None
