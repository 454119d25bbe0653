"""Deletes accounts for good, in short transactions, so that nobody waits for a long one.

Hop: beside the path, called by the admin. The apps delete what they keep (accounts.belongings). Interrupted at any
point, it can be called again.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction

from accounts.belongings import belongings
from accounts.models import Viewer

logger = logging.getLogger(__name__)


def delete_viewer(viewer_id: UUID, actor: Viewer) -> None:
    """Delete an account with everything that it has. `actor` is staff. Raises Conflict while something prevents it."""
    for kept in belongings:
        kept.check_removal(viewer_id)
    viewer = Viewer.objects.filter(id=viewer_id)
    viewer.update(is_active=False)
    while True:
        for kept in belongings:
            kept.take_away(viewer_id, actor)
        with transaction.atomic():
            # Locked: a like that comes meanwhile waits, and then finds no viewer.
            viewer.select_for_update().first()
            if not any(kept.are_left(viewer_id) for kept in belongings):
                viewer.delete()
                break
    logger.info("viewer %s deleted by %s", viewer_id, actor.id)
