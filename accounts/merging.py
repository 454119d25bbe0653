"""A guest who signs in: what they did becomes the account's, in one transaction, and everybody concerned reads of it.

Hop: beside the path, called by the sign-in. The apps hand over what they keep (accounts.belongings). The guest stays as
an inactive row that nothing belongs to: its tokens and streams end by that.

Locks come in the order that everybody has: all topics, by name, then rows. The guest's own row is not locked for
writing its key: who writes as the guest meanwhile holds it, and waits for a topic.
"""

from __future__ import annotations

import logging

from django.db import transaction

from accounts.belongings import belongings
from accounts.models import Viewer
from realtime.log import writer as log

logger = logging.getLogger(__name__)


@transaction.atomic
def merge(guest: Viewer, account: Viewer) -> None:
    """Make all that the guest has the account's."""
    heads = log.lock_topics({topic for kept in belongings for topic in kept.topics(guest.id, account.id)})
    if not Viewer.objects.filter(id=guest.id, is_active=True).update(is_active=False):
        return
    for kept in belongings:
        kept.hand_over(guest, account, heads)
    logger.info("guest %s has become %s", guest.id, account.id)
