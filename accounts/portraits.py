"""The picture of a person: small, square, and for everybody. Kept in the database, beside their account.

Called by the API, the pages, and the page of a channel. What shows people has the moment of their picture from the
viewer's own row, so to show a face takes no query.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from accounts.belongings import belongings
from accounts.models import Portrait, Viewer
from realtime.events import now_ms
from realtime.log.writer import lock_topics
from web.uploads import as_jpeg

PIXELS = 256  # each way


def as_portrait(kind: str, data: bytes) -> bytes:
    """Return a picture as it is kept. Blocks. Raises Invalid."""
    return as_jpeg(kind, data, PIXELS, PIXELS)


def keep(viewer: Viewer, made: bytes) -> str:
    """Make a picture the one of the viewer, as `as_portrait` has made it; return its path."""
    at_ms = now_ms()
    defaults = {"data": made, "changed_at": datetime.fromtimestamp(at_ms / 1000, UTC)}
    _change(viewer, at_ms, lambda: Portrait.objects.update_or_create(viewer=viewer, defaults=defaults))
    return address(viewer.id, at_ms)


def remove(viewer: Viewer) -> None:
    """Take it away. Where there is none nothing is published: one may ask for it as often as one likes."""
    if Portrait.objects.filter(viewer=viewer).exists():
        _change(viewer, 0, lambda: Portrait.objects.filter(viewer=viewer).delete())


def _change(viewer: Viewer, picture: int, write: Callable[[], object]) -> None:
    """Change the picture, and publish it to those who see the viewer."""
    topics = {topic for kept in belongings for topic in kept.seen_in(viewer.id)}
    with transaction.atomic():
        heads = lock_topics(topics)
        write()
        viewer.picture = picture
        viewer.save(update_fields=["picture"])
        for kept in belongings:
            kept.show_face(viewer, heads)


def address(viewer_id: UUID | str, picture: int) -> str:
    """Return where the picture is. Its time is in the address, so a newer one is fetched."""
    return f"/api/v1/viewers/{viewer_id}/portrait?t={picture}"


def path_of(viewer_id: UUID) -> str:
    """Return where the picture is, "" if there is none. One query."""
    picture = Viewer.objects.filter(id=viewer_id).values_list("picture", flat=True).first()
    return address(viewer_id, picture) if picture else ""


def read(viewer_id: UUID) -> bytes | None:
    found = Portrait.objects.filter(viewer_id=viewer_id, viewer__is_active=True).values_list("data", flat=True).first()
    return bytes(found) if found is not None else None
