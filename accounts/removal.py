"""Deletes accounts for good, in short transactions, so that nobody waits for a long one.

Hop: beside the path, called by the admin, and by the job for people who delete their own account. The apps delete what
they keep (accounts.belongings). Interrupted at any point, it can be called again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from accounts import browsers
from accounts.belongings import belongings
from accounts.models import Erasure, Viewer

logger = logging.getLogger(__name__)

RUN_SECONDS = 5.0  # of the job: others wait meanwhile
REQUEST_SECONDS = 2.0


def ask_for_erasure(viewer: Viewer) -> None:
    """Have a job delete the account, as its owner wants. From now on it is signed out everywhere, for good."""
    with transaction.atomic():
        Erasure.objects.get_or_create(viewer=viewer)
        Viewer.objects.filter(id=viewer.id).update(is_active=False)
        browsers.end_all(viewer)
    logger.info("viewer %s leaves", viewer.id)


def erase_next() -> bool:
    """Delete of one account that is to go what `RUN_SECONDS` allow, with all that it has. Return whether there was one.

    The next run goes on with what is left.
    """
    # By chance: one that fails holds up no other.
    asked = Erasure.objects.select_related("viewer", "asked_by").order_by("?").first()
    if asked is None:
        return False
    if asked.asked_by is None:
        for kept in belongings:
            kept.give_up(asked.viewer)
    delete_viewer(asked.viewer_id, asked.asked_by or asked.viewer, seconds=RUN_SECONDS)
    return True


def delete_by_staff(viewer_ids: Sequence[UUID], actor: Viewer) -> None:
    """Delete accounts for somebody who waits for it: what `REQUEST_SECONDS` allow. A job goes on with the rest.

    Raises Conflict while something prevents it.
    """
    for viewer_id in viewer_ids:
        for kept in belongings:
            kept.check_removal(viewer_id)
    with transaction.atomic():
        asked = (Erasure(viewer_id=viewer_id, asked_by=actor) for viewer_id in viewer_ids)
        Erasure.objects.bulk_create(asked, ignore_conflicts=True)
        Viewer.objects.filter(id__in=viewer_ids).update(is_active=False)
    until = time.monotonic() + REQUEST_SECONDS
    for viewer_id in viewer_ids:
        if not delete_viewer(viewer_id, actor, seconds=until - time.monotonic()):
            return


def delete_viewer(viewer_id: UUID, actor: Viewer, *, seconds: float | None = None) -> bool:
    """Delete an account with everything that it has. `actor`: staff, or the owner. Return whether it is gone.

    `seconds`: when they are over, the rest stays for another call. Raises Conflict while something prevents it.
    """
    until = None if seconds is None else time.monotonic() + seconds
    for kept in belongings:
        kept.check_removal(viewer_id)
    viewer = Viewer.objects.filter(id=viewer_id)
    viewer.update(is_active=False)
    while True:
        for kept in belongings:
            while kept.take_some(viewer_id, actor):
                if until is not None and time.monotonic() >= until:
                    return False
        with transaction.atomic():
            # Locked: a like that comes meanwhile waits, and then finds no viewer.
            viewer.select_for_update().first()
            if not any(kept.are_left(viewer_id) for kept in belongings):
                viewer.delete()
                break
    logger.info("viewer %s deleted by %s", viewer_id, actor.id)
    return True
