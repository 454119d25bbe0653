"""Deletes accounts for good, in short transactions, so that nobody waits for a long one.

Hop: beside the path, called by the admin, and by the job for people who delete their own account. The apps delete what
they keep (accounts.belongings). Interrupted at any point, it can be called again.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction

from accounts import browsers
from accounts.belongings import belongings
from accounts.models import Erasure, Viewer

logger = logging.getLogger(__name__)


def ask_for_erasure(viewer: Viewer) -> None:
    """Have a job delete the account, as its owner wants. From now on it is signed out everywhere, for good."""
    with transaction.atomic():
        Erasure.objects.get_or_create(viewer=viewer)
        Viewer.objects.filter(id=viewer.id).update(is_active=False)
        browsers.end_all(viewer)
    logger.info("viewer %s leaves", viewer.id)


def erase_next() -> bool:
    """Delete one account whose owner has asked for it, with all that they have. Return whether there was one."""
    asked = Erasure.objects.select_related("viewer").order_by("?").first()  # one that fails holds up no other
    if asked is None:
        return False
    for kept in belongings:
        kept.give_up(asked.viewer)
    delete_viewer(asked.viewer_id, asked.viewer)
    return True


def delete_viewer(viewer_id: UUID, actor: Viewer) -> None:
    """Delete an account with everything that it has. `actor`: staff, or the owner.

    Raises Conflict while something prevents it.
    """
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
